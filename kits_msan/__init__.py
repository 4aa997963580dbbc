"""Kidney and tumor segmentation on CT: the MSAN paper as a course and a small package.

The public names below are loaded on first use, so that `import kits_msan` costs next to nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Case": "cases",
    "InputError": "errors",
    "MODELS": "networks",
    "PROFILES": "profiles",
    "SliceViewer": "viewer",
    "build_model": "networks",
    "dice_scores": "metrics",
    "find_cases": "cases",
    "keep_kidneys": "inference",
    "load_case": "cases",
    "load_model": "checkpoints",
    "majority_vote": "inference",
    "phantom_case": "phantom",
    "predict": "inference",
    "save_segmentation": "cases",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"kits_msan.{_HOME[name]}"), name)
    raise AttributeError(f"module 'kits_msan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
