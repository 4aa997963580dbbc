"""Cases stored along other axes than KiTS19's."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK

from kits_msan.data.cases import IMAGE, LABEL, Case

Make = Callable[..., Case]


def turned(case: Case, degrees: float = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, label and affine of a case on LPS axes, (i, j, k), turned about the patient's long axis."""
    assert case.image is not None
    assert case.label is not None
    image, label = (array.transpose(2, 1, 0)[:, :, ::-1] for array in (case.image, case.label))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    affine = np.diag([-8.0, -8.0, 10.0, 1.0])
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ affine[:3, :3]
    affine[:3, 3] = 100, 120, -60
    return image, label, affine


def written(path: Path, case: Case, label: bool = False, packed: bool = False, degrees: float = 0) -> Path:
    """The image of a case, or its label, as .mha or .nrrd; beside it, as true.nii.gz, what SimpleITK was given."""
    image, mask, affine = turned(case, degrees)
    path.parent.mkdir(exist_ok=True)
    true = path.parent.parent / "true.nii.gz"
    nib.Nifti1Image(mask if label else image, affine).to_filename(true)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(true)), str(path), packed)
    return path


def write_pair(folder: Path, case: Case, other: np.ndarray | None = None, degrees: float = 0) -> Path:
    """A case folder whose label has the affine `other`; by default the image's."""
    image, label, affine = turned(case, degrees)
    folder.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(image, affine).to_filename(folder / IMAGE)
    nib.Nifti1Image(label, affine if other is None else other).to_filename(folder / LABEL)
    return folder
