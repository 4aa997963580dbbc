"""Kidney and tumor segmentation on CT: the MSAN paper as a course and a small package.

The public names below are loaded on first use, so that `import kits_msan` costs next to nothing.
"""

from kits_msan.lazy import public

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "Case": "data.cases",
        "InputError": "errors",
        "MODELS": "networks.registry",
        "PROFILES": "profiles",
        "SliceViewer": "viewer.widget",
        "build_model": "networks.registry",
        "checks": "course.exercises.checks",
        "dice_scores": "metrics",
        "figures": "course.figures",
        "find_cases": "data.cases",
        "keep_kidneys": "cleanup",
        "load_case": "data.cases",
        "load_model": "networks.checkpoints",
        "majority_vote": "vote",
        "phantom_case": "phantom.make",
        "predict": "inference",
        "save_segmentation": "data.cases",
    },
)
__all__ += ["__version__"]
