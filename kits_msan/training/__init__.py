"""Training: losses, optimizers, the loop, and the folder of a run that survives interruption."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "METRICS": "logs",
        "devices_for": "side_by_side",
        "learning_rate": "loop",
        "read_metrics": "logs",
        "train": "loop",
    },
)
