"""Public names that are loaded on first use, so that importing a package costs next to nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def public(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of `package`; home: each public name and the module it lives in.

    A name whose home ends in itself is that module. Where another package is missing, ModuleNotFoundError names the
    remedy: the viewer and the course need more than the rest.
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{home[name]}")
        except ModuleNotFoundError as error:
            root = package.partition(".")[0]
            if str(error.name).partition(".")[0] == root:
                raise
            raise ModuleNotFoundError(
                f'{name} needs {error.name}, which is not installed: pip install "{root}[course]"', name=error.name
            ) from error
        return module if home[name].rpartition(".")[2] == name else getattr(module, name)

    return load, lambda: sorted(home), sorted(home)
