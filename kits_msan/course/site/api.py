"""The pages on the package's own functions, made by pdoc from their docstrings."""

import pkgutil
from pathlib import Path

import kits_msan
from kits_msan.course.site.shared import styles_apart

START = "api/index.html"
LEFT_OUT = ("kits_msan.course", "kits_msan.commands", "kits_msan.page")  # nobody imports from these but ourselves


def write_api(folder: Path) -> None:
    """Write a page for each module that others import from to `folder`/api; START lists them."""
    import pdoc

    # a tenth of the size without sources, which lie beside; an index for its search would be a seventh of the site
    pdoc.render.configure(show_source=False, search=False)
    walk = pkgutil.walk_packages(kits_msan.__path__, "kits_msan.")
    names = [module.name for module in walk if not module.ispkg and not module.name.startswith(LEFT_OUT)]
    pdoc.pdoc(*names, output_directory=folder / "api")
    styles_apart(folder / "api")
