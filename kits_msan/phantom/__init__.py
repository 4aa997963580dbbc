"""The phantom: a patient drawn at random, painted organ by organ, and what a scanner makes of it."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "case_seed": "make",
        "phantom_case": "make",
        "write_phantoms": "make",
    },
)
