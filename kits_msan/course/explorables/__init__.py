"""Drawings to move, one idea each: plain JavaScript, live in a notebook and in the static page."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    dict.fromkeys(("attention", "bootstrap", "field", "overlap", "vote", "window"), "widgets")
    | {"page_script": "widgets", "page_style": "widgets"},
)
