"""A case: one CT volume with its label, its spacing and where it came from.

Inside the package every volume is `(D, H, W)` with axis codes I, P, L: the first slice is the most superior,
rows run from front to back, columns from the patient's right to left. KiTS19 files lie like that on disk; any
other file is brought to this order on reading and its segmentation is written back on the file's own grid.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import InputError, check_readable, permitted
from kits_msan.formats.dicom import read_series
from kits_msan.formats.foreign import PAIR, other_half
from kits_msan.formats.grids import affine_in_kits_order, say_odd_grid, spacing_of
from kits_msan.formats.hounsfield import check_hounsfield, clear_padding
from kits_msan.formats.nifti import check_finite, new_header, write_image, write_labels
from kits_msan.formats.others import are_one_study, check_beside_series, say_passed_over
from kits_msan.formats.series import is_dicom_folder
from kits_msan.formats.volumes import ENDINGS, Cyst, is_scan_name, read_header, read_image, read_labels

IMAGE, LABEL = "imaging.nii.gz", "segmentation.nii.gz"
CLASSES = ("background", "kidney", "tumor")
KIDNEY, TUMOR = 1, 2
WINDOW = (-200.0, 500.0)  # HU; paper, section 2.1


@dataclass(frozen=True, eq=False)
class Case:
    """One CT volume: slices from the head down, rows from front to back, columns from the patient's right to left.

    name: for example "case_00042".
    image: (D, H, W) int16, Hounsfield units; None where only the label was read.
    label: (D, H, W) uint8, 0 background, 1 kidney, 2 tumor; None where there is none.
    spacing: millimetres between slices, rows and columns.
    affine: (4, 4) from (slice, row, column) indices to RAS+ millimetres, for the array as held; see `kits_affine`.
    header: the NIfTI header of the file it was read from, whose grid `save_segmentation` writes; None if made.
    """

    name: str
    image: NDArray[np.int16] | None
    label: NDArray[np.uint8] | None
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    header: nib.Nifti1Header | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, H, W)"""
        array = self.image if self.image is not None else self.label
        assert array is not None
        return array.shape[0], array.shape[1], array.shape[2]

    def with_label(self, label: NDArray[np.uint8] | None) -> "Case":
        """The same case with another label, such as a prediction."""
        return replace(self, label=label)


def kits_affine(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """The (4, 4) affine of KiTS19's axis order (I, P, L) for a spacing in millimetres, origin at 0."""
    return np.diag([*(-float(size) for size in spacing), 1.0])[[2, 1, 0, 3]]


def load_case(
    path: str | Path, image: bool = True, label: bool = True, series: str | None = None, cyst: Cyst | None = None
) -> Case:
    """Read a case folder (`imaging.nii.gz`, `segmentation.nii.gz` or both), a CT in one file, or a DICOM folder.

    image, label: set one to False to leave it unread; without the image, a file is one of labels.
    series: number or UID of a DICOM series, where the folder holds several; InputError for what is none.
    cyst: "kidney" or "tumor", what the label 3 of KiTS21 and KiTS23 counts as.
    The label is turned to the image's grid. Raises InputError, naming the file, for what is missing, broken, not 3-D,
    not finite, not in HU, for values that are no labels, and where label and image do not lie on the same points.
    """
    if not (image or label):
        raise InputError("neither image nor label is to be read; leave one of them True.")
    path = Path(path)
    voxels = mask = header = None
    with permitted(path):
        if not _is_there(path):
            raise InputError(f"{path} does not exist; name a NIfTI file or a case folder.")
        image_path: Path = path / IMAGE if path.is_dir() else path
        label_path = _label_file(path)
        if series is not None:
            refuse_no_series(path)
        if image and _is_there(image_path):
            voxels, header = read_image(image_path)
        elif image and is_dicom_folder(path):
            image_path = path
            voxels, header = read_series(path, series)
        if voxels is not None and header is not None:
            check_hounsfield(image_path, voxels)
            clear_padding(image_path, voxels)
            say_odd_grid(image_path, header)
        if label and _is_there(label_path) and (path.is_dir() or not image):
            mask, label_header = read_labels(label_path, None if header is None else (image_path, header), cyst)
            header = header or label_header
    if header is None:
        wanted = " or ".join(name for name, asked in ((IMAGE, image), (LABEL, label)) if asked)
        raise InputError(f"{path} holds no {wanted}; name a NIfTI file, a KiTS19 case folder or a DICOM series.")
    return _case(path, voxels, mask, header)


def load_label(path: str | Path, like: str | Path | None = None, cyst: Cyst | None = None) -> Case:
    """Read labels alone, from a case folder or a file; the image is None.

    like: another label, a case folder or a file, on whose grid they shall lie.
    Raises InputError as `load_case` does, and where they do not lie on that one's points.
    """
    with permitted(path):
        file = _label_file(path)
        if like is None or not _is_there(file):
            return load_case(path, image=False, cyst=cyst)  # which says what is missing
    header = read_header(_label_file(like))
    label, _ = read_labels(file, (_label_file(like), header), cyst)
    return _case(path, None, label, header)


def find_cases(path: str | Path) -> list[Path]:
    """The cases at `path`, sorted by name, each ready for `load_case`.

    `path` is a scan's file, a case folder, a folder with a DICOM series (or a study, in folders below it), or a
    folder of these. Raises InputError if there is none, and for two of one name.
    """
    with permitted(path):
        check_readable(path)  # so that the folder is named, not a file that is looked for in it
        return _find_cases(Path(path))


def _find_cases(path: Path) -> list[Path]:
    if not _is_there(path):
        raise InputError(f"{path} does not exist; name a NIfTI file, a case folder or a folder of cases.")
    if not path.is_dir():
        if not (is_scan_name(path.name) and path.is_file()):
            read_header(path)  # which says why not
        return [path]
    if _is_case(path, deep=False):
        if not any(_is_there(path / name) for name in (IMAGE, LABEL)):
            check_beside_series(path, (IMAGE, LABEL))
        return [path]
    found = sorted(entry for entry in path.iterdir() if _may_be_case(entry))
    if not found:
        raise InputError(
            f"{path} holds no case: no .nii or .nii.gz file, no DICOM series and no folder with {IMAGE} or {LABEL}."
        )
    if are_one_study(path, found, IMAGE):
        return [path]
    say_passed_over(path, found, (IMAGE, LABEL))
    first: dict[str, Path] = {}
    for entry in found:
        other = first.setdefault(case_name(entry), entry)
        if other is not entry:
            raise InputError(
                f"{path} holds two scans named {case_name(entry)}, {other.name} and {entry.name}; rename one."
            )
    return found


def case_name(path: str | Path) -> str:
    """`case_00042` for `.../case_00042`, `scan` for `.../scan.nii.gz`; a link's own name, not its target's."""
    name = os.path.basename(os.path.abspath(path))
    ending = max((ending for ending in ENDINGS if name.lower().endswith(ending)), key=len, default="")
    return name.removesuffix(name[len(name) - len(ending) :])


def save_segmentation(labels: NDArray[np.uint8], case: Case, path: str | Path) -> None:
    """Write (D, H, W) labels as NIfTI on the grid of the file that `case` was read from.

    Shape, axis order, affine and units are that file's. Raises InputError if the shapes differ.
    """
    labels = np.asarray(labels)
    if labels.shape != case.shape:
        raise InputError(f"labels of shape {labels.shape} do not fit {case.name}, which has {case.shape}.")
    write_labels(path, labels, case.header or new_header(case.shape, case.affine))


def save_case(case: Case, folder: str | Path) -> None:
    """Write `folder`/imaging.nii.gz and segmentation.nii.gz, as KiTS19 lays a case out.

    Raises InputError, before anything is written, for values that are no labels and for two shapes.
    """
    folder = Path(folder)
    if case.image is not None and case.label is not None and case.image.shape != case.label.shape:
        raise InputError(f"{case.name} has an image of {case.image.shape} and a label of {case.label.shape} voxels.")
    if case.image is not None:
        check_finite(folder / IMAGE, case.image)
    header = case.header or new_header(case.shape, case.affine)
    if case.label is not None:
        write_labels(folder / LABEL, case.label, header)
    if case.image is not None:
        write_image(folder / IMAGE, case.image, header)


def window(image: NDArray[Any], limits: Sequence[float] = WINDOW) -> NDArray[np.float32]:
    """Clip HU to `limits` and scale to 0..1; paper, section 2.1 (the scaling is our choice)."""
    low, high = limits
    return (np.clip(image, low, high).astype(np.float32) - np.float32(low)) / np.float32(high - low)


def _case(path: str | Path, image: NDArray | None, label: NDArray | None, header: nib.Nifti1Header) -> Case:
    affine = affine_in_kits_order(header)
    return Case(case_name(path), image, label, spacing_of(affine), affine, header)


def _label_file(path: str | Path) -> Path:
    path = Path(path)
    return path / LABEL if path.is_dir() else path


def refuse_no_series(path: Path) -> None:
    """Raise InputError for a file or a case folder, in which no DICOM series can be chosen; OSError as the system."""
    if path.is_file() or _is_there(path / IMAGE):
        raise InputError(f"{path} is no folder of DICOM slices, so there is no series to choose; leave --series out.")


def _is_there(file: Path) -> bool:
    """Whether there is a file, or a link to one that is absent, which the reader names."""
    return file.exists() or file.is_symlink()


def _is_case(path: Path, deep: bool = True) -> bool:
    """Whether `path` can be loaded; a folder with DICOM only in folders below it counts if `deep`."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return _is_there(path / IMAGE) or _is_there(path / LABEL) or is_dicom_folder(path, deep)
    if path.name.lower().endswith(PAIR):
        return path.name.lower().endswith(".hdr") and other_half(path).exists()
    return is_scan_name(path.name)


def _may_be_case(path: Path) -> bool:
    """As `_is_case`; a folder that may not be entered counts, and whoever loads it is told."""
    try:
        return _is_case(path)
    except PermissionError:
        return True
