"""The parameters of the notebooks: checked, since papermill warns only of a name that it does not know."""

import ast
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from kits_msan.errors import InputError
from kits_msan.profiles import Profile, get_profile

PARAMETERS: dict[str, tuple[type, str]] = {  # of every notebook: its type, and how to say so
    "profile": (str, "a name, such as smoke"),
    "device": (str, "a name, such as cpu"),
    "train": (bool, "True or False, with a capital letter"),
    "data": (str, "the path of a folder, or empty"),
    "seed": (int, "a whole number"),
    "out": (str, "the path of a folder, or empty"),
}


def check_parameters(notebook: Mapping[str, Any]) -> Profile:
    """The notebook's profile, once its parameters are known to be ones that it can work with.

    notebook: its `globals()`. Papermill itself only warns of a name that does not exist, and makes of
    `-p train false` a text, which counts as true. Raises InputError for both, and for a profile or device that is
    not there.
    """
    from kits_msan.devices import pick_device

    # IPython keeps the sources of the cells that ran in `In`; papermill leaves no other trace of what it put in.
    for name in _injected(notebook.get("In", [])):
        if name not in PARAMETERS:
            close = difflib.get_close_matches(name, PARAMETERS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PARAMETERS)}."
            raise InputError(f"this notebook has no parameter {name!r}; {hint}")
    for name, (kind, wanted) in PARAMETERS.items():
        if type(value := notebook[name]) is not kind:  # not isinstance: True is an int
            raise InputError(f"the parameter {name} is {value!r}; it must be {wanted}.")
    if notebook["seed"] < 0:
        raise InputError(f"the parameter seed is {notebook['seed']}; it must be 0 or more.")
    pick_device(notebook["device"])
    return get_profile(notebook["profile"])


def _injected(inputs: Sequence[str]) -> list[str]:
    """The names set in the cells that papermill put in; `inputs` are the sources of the cells that ran."""
    cells = [ast.parse(source) for source in inputs if source.startswith("# Parameters\n")]
    nodes = [node for cell in cells for node in cell.body if isinstance(node, ast.Assign)]
    return [target.id for node in nodes for target in node.targets if isinstance(target, ast.Name)]
