"""The networks: `layers` and `msan` are written to be read beside the paper."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "MODELS": "msan",
        "TITLES": "msan",
        "VARIANTS": "msan",
        "MSAN": "msan",
        "UNet3D": "msan",
        "build_model": "msan",
        "load_model": "checkpoints",
        "Network": "layers",
    },
)
