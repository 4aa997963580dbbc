"""A case: one CT volume with its label, its spacing and where it came from.

Inside the package every volume is `(D, H, W)` with axis codes I, P, L: the first slice is the most superior,
rows run from front to back, columns from the patient's right to left. KiTS19 files lie like that on disk; any
other file is brought to this order on reading and its segmentation is written back on the file's own grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.data.dicom import is_dicom_folder, read_series
from kits_msan.data.nifti import affine_in_kits_order, read_voxels, spacing_of, write_image, write_labels
from kits_msan.errors import InputError

IMAGE, LABEL = "imaging.nii.gz", "segmentation.nii.gz"
CLASSES = ("background", "kidney", "tumor")
KIDNEY, TUMOR = 1, 2
WINDOW = (-200.0, 500.0)  # HU; paper, section 2.1


@dataclass(frozen=True, eq=False)
class Case:
    """One CT volume.

    name: for example "case_00042".
    image: (D, H, W) int16, Hounsfield units; None where only the label was read.
    label: (D, H, W) uint8, 0 background, 1 kidney, 2 tumor; None where there is none.
    spacing: millimetres between slices, rows and columns.
    affine: (4, 4) from (slice, row, column) indices to RAS+ millimetres, for the array as held here.
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
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = -spacing[0], -spacing[1], -spacing[2]
    affine[3, 3] = 1
    return affine


def load_case(path: str | Path, image: bool = True, label: bool = True) -> Case:
    """Read a case folder (`imaging.nii.gz`, `segmentation.nii.gz` or both), a CT as NIfTI, or a DICOM series' folder.

    image, label: set one to False to leave it unread.
    Raises InputError, naming the file, for what is missing, broken, not 3-D, not finite, not in HU, or where
    label and image do not fit each other.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; name a NIfTI file or a case folder.")
    image_path: Path = path / IMAGE if path.is_dir() else path
    label_path: Path | None = path / LABEL if path.is_dir() else None
    voxels = mask = header = None
    if image and image_path.exists():
        voxels, header = read_voxels(image_path, np.int16)
        _check_hounsfield(image_path, voxels)
    elif image and is_dicom_folder(path):
        voxels, header = read_series(path)
        _check_hounsfield(path, voxels)
    if label and label_path is not None and label_path.exists():
        mask, label_header = _read_label(label_path)
        if voxels is not None and voxels.shape != mask.shape:
            raise InputError(
                f"{label_path} has shape {mask.shape}, but {IMAGE} beside it has {voxels.shape}; "
                "both must be of the same scan."
            )
        header = header or label_header
    if header is None:
        wanted = " or ".join(name for name, asked in ((IMAGE, image), (LABEL, label)) if asked)
        raise InputError(f"{path} holds no {wanted}; name a NIfTI file, a KiTS19 case folder or a DICOM series.")
    affine = affine_in_kits_order(header)
    return Case(case_name(path), voxels, mask, spacing_of(affine), affine, header)


def load_label(path: str | Path) -> Case:
    """Read labels alone, from a case folder or a NIfTI file; the image is None. Raises InputError as `load_case`."""
    path = Path(path)
    if path.is_dir() or not path.exists():
        return load_case(path, image=False)
    label, header = _read_label(path)
    affine = affine_in_kits_order(header)
    return Case(case_name(path), None, label, spacing_of(affine), affine, header)


def find_cases(path: str | Path) -> list[Path]:
    """The cases at `path`, sorted by name, each ready for `load_case`.

    `path` is a NIfTI file, a case folder, a DICOM series' folder, or a folder of these. Raises InputError if there is
    none.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; name a NIfTI file, a case folder or a folder of cases.")
    if _is_case(path):
        return [path]
    found = sorted(entry for entry in path.iterdir() if _is_case(entry)) if path.is_dir() else []
    if not found:
        raise InputError(
            f"{path} holds no case: no .nii or .nii.gz file, no DICOM series and no folder with {IMAGE} or {LABEL}."
        )
    return found


def case_name(path: str | Path) -> str:
    """`case_00042` for `.../case_00042`, `scan` for `.../scan.nii.gz`."""
    name = Path(path).resolve().name
    return name.removesuffix(".gz").removesuffix(".nii") if name.endswith((".nii", ".nii.gz")) else name


def save_segmentation(labels: NDArray[np.uint8], case: Case, path: str | Path) -> None:
    """Write (D, H, W) labels as NIfTI on the grid of the file that `case` was read from.

    Shape, axis order, affine and units are that file's. Raises InputError if the shapes differ.
    """
    if labels.shape != case.shape:
        raise InputError(f"labels of shape {labels.shape} do not fit {case.name}, which has {case.shape}.")
    write_labels(path, labels, case.header or _new_header(case))


def save_case(case: Case, folder: str | Path) -> None:
    """Write `folder`/imaging.nii.gz and segmentation.nii.gz, as KiTS19 lays a case out."""
    folder = Path(folder)
    header = case.header or _new_header(case)
    if case.image is not None:
        write_image(folder / IMAGE, case.image, header)
    if case.label is not None:
        write_labels(folder / LABEL, case.label, header)


def window(image: NDArray[Any], limits: Sequence[float] = WINDOW) -> NDArray[np.float32]:
    """Clip HU to `limits` and scale to 0..1; paper, section 2.1 (the scaling is our choice)."""
    low, high = limits
    return (np.clip(image, low, high).astype(np.float32) - np.float32(low)) / np.float32(high - low)


def _is_case(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return (path / IMAGE).exists() or (path / LABEL).exists() or is_dicom_folder(path)
    return path.name.endswith((".nii", ".nii.gz"))


def _read_label(path: Path) -> tuple[NDArray[np.uint8], nib.Nifti1Header]:
    label, header = read_voxels(path, np.uint8)
    if label.max() > TUMOR:
        raise InputError(f"{path} holds the label {label.max()}; labels are 0, 1 (kidney) and 2 (tumor).")
    return label, header


def _check_hounsfield(path: Path, voxels: NDArray[np.int16]) -> None:
    if voxels.max() < WINDOW[0]:
        raise InputError(f"{path} holds only air (no voxel above {WINDOW[0]:.0f} HU); name the CT of an abdomen.")
    if voxels.min() == voxels.max():
        raise InputError(f"{path} holds the value {voxels.max()} in every voxel; export the CT anew.")
    if voxels.min() >= 0:
        raise InputError(
            f"{path} has values {voxels.min()} to {voxels.max()}, so it is not in Hounsfield units (air would be "
            "near -1000); export the CT with its rescale slope and intercept."
        )


def _new_header(case: Case) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_shape(case.shape)
    header.set_sform(case.affine, code="scanner")
    header.set_qform(case.affine, code="scanner")
    return header
