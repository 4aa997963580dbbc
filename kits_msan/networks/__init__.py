"""The networks: `layers` and `msan` are written to be read beside the paper."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "MODELS": "registry",
        "TITLES": "registry",
    },
)
