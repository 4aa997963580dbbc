"""Volumes without any symmetry, written along any axes."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations

from kits_msan.data.cases import (
    kits_affine,
)

SHAPE, SPACING = (20, 7, 5), (3.0, 0.75, 0.5)  # all different, and more slices than are read at once


def volume() -> np.ndarray:
    """(D, H, W) int16 in which every voxel has a value of its own, from -340 to 359."""
    return (np.arange(np.prod(SHAPE)) - 340).reshape(SHAPE).astype(np.int16)


def labels() -> np.ndarray:
    """(D, H, W) uint8, without any symmetry."""
    return np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)


def affine(tilt: float) -> np.ndarray:
    """IPL, turned by `tilt` degrees about the patient's left-right axis, with an origin."""
    cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    out = kits_affine(SPACING)
    out[:3, :3] = turn @ out[:3, :3]
    out[:3, 3] = 90, -40, 300
    return out


def load(path: Path) -> nib.Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image


def slope_of(path: Path) -> tuple[float, float]:
    proxy = load(path).dataobj
    assert isinstance(proxy, nib.arrayproxy.ArrayProxy)
    return proxy.slope, proxy.inter


def write(path: Path, array: np.ndarray, axes: str = "IPL", tilt: float = 0) -> nib.Nifti1Image:
    """A (D, H, W) array as NIfTI with other axes, by nibabel's own means; with units and a description."""
    image = nib.Nifti1Image(array, affine(tilt))
    there = orientations.axcodes2ornt(axes)
    image = image.as_reoriented(orientations.ornt_transform(orientations.axcodes2ornt("IPL"), there))
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"made up"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return image
