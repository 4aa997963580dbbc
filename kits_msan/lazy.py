"""Public names that are loaded on first use, so that importing a package costs next to nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def public(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of `package`; home: each public name and the module it lives in.

    A name whose home ends in itself is that module.
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home[name]}")
        return module if home[name].rpartition(".")[2] == name else getattr(module, name)

    return load, lambda: sorted(home), sorted(home)
