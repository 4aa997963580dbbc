"""The slice viewer: a widget in Jupyter, and the same in a page without a kernel."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "SliceViewer": "widget",
    },
)
