"""Which viewers a notebook's cell has made, so that those of its earlier run are closed when it runs again.

Python alone would keep them: IPython's history of outputs holds whatever a cell has shown.
"""

import weakref
from typing import Any

from IPython.core.getipython import get_ipython

_made: dict[str, tuple[str, list[weakref.ref[Any]]]] = {}  # cell to its last run, and what that has made


def close_earlier(widget: Any) -> None:
    """Note that the current cell has made `widget`, and close what earlier runs of the same cell have made.

    Jupyter's front ends say which cell runs; where none does, nothing is closed.
    """
    cell, run = _current()
    if cell is None:
        return
    last, made = _made.get(cell, (run, []))
    if last != run:
        for reference in made:
            if (earlier := reference()) is not None:
                earlier.close()
        made = []
    _made[cell] = (run, [*made, weakref.ref(widget)])


def _current() -> tuple[str | None, str]:
    """The current cell, and the message that runs it; None outside of a notebook."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return None, ""
    message = kernel.get_parent("shell")
    return message.get("metadata", {}).get("cellId"), message.get("header", {}).get("msg_id", "")
