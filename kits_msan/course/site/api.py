"""The pages on the package's own functions, made by pdoc from their docstrings."""

import pkgutil
from pathlib import Path

import kits_msan

START = "api/index.html"


def write_api(folder: Path) -> None:
    """Write a page for each module of the package to `folder`/api; START lists them."""
    import pdoc

    # a tenth of the size without sources, which lie beside; an index for its search would be a seventh of the site
    pdoc.render.configure(show_source=False, search=False)
    walk = pkgutil.walk_packages(kits_msan.__path__, "kits_msan.")
    pdoc.pdoc(*(module.name for module in walk if not module.ispkg), output_directory=folder / "api")
