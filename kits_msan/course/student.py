"""The student's copies of the notebooks: the same cells, with `...` where the solutions were, and no outputs."""

import ast
import copy
import sys
from pathlib import Path
from typing import Any

import nbformat

from kits_msan.course.paths import NOTEBOOKS
from kits_msan.files import atomic_file

STUDENT = NOTEBOOKS / "student"
SOLUTION, BUILD = "solution", "build"  # the tags of a cell that holds a worked solution, or a thing that is built
NOTE = """

**Your copy.** Replace each `...` in the exercises; the cell below each says whether you are right. The notebook \
also runs to its end while exercises are still empty, so you may leave one out. A build sometimes uses the exercise \
before it; its check says so. Worked solutions: [the teacher's notebook](../{name})."""


def student_copy(notebook: Any, name: str) -> Any:
    """`notebook` without outputs and with starters for solutions; its links go on to point where they did.

    name: the file name of the teacher's notebook.
    """
    student = copy.deepcopy(notebook)
    for cell in student.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", "](../../")
            continue
        cell.outputs, cell.execution_count = [], None
        tags = cell.metadata.get("tags", [])
        if SOLUTION in tags or BUILD in tags:
            cell.metadata["tags"] = ["exercise" if tag == SOLUTION else tag for tag in tags]
            cell.source = starter(cell.source)
    student.cells[0].source += NOTE.format(name=name)
    return student


def starter(solution: str) -> str:
    """What a student starts from: signatures and docstrings as they are, and `...` for what is to be found.

    What is to be found are the cell's functions and its classes' methods, or, where it has neither, the names that it
    assigns. A class's `__init__`, which makes its parts, stays whole. Imports stay, and the comments at the top of
    the cell and of a function, to guide; all else goes.
    Raises ValueError if nothing is left to fill in.
    """
    lines = solution.splitlines()
    statements = ast.parse(solution).body
    definitions = [node for node in statements if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names = [
        node.id for s in statements if isinstance(s, ast.Assign) for node in s.targets if isinstance(node, ast.Name)
    ]
    if not definitions and not names:
        raise ValueError(f"a solution needs a function or a name to fill in:\n{solution}")
    top = lines[: statements[0].lineno - 1]
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            top += lines[node.lineno - 1 : node.end_lineno]
    if not definitions:
        return "\n".join([*top, *(f"{name} = ..." for name in names)])
    parts = ["\n".join(top)] if top else []
    for node in definitions:
        parts.append("\n".join(_emptied(lines, node)))
    return "\n\n\n".join(parts)


def _emptied(lines: list[str], node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """The lines of a function with `return ...` as its body, or of a class with such methods."""
    if isinstance(node, ast.FunctionDef):
        first = node.body[1 if ast.get_docstring(node) else 0]
        return [*lines[node.lineno - 1 : first.lineno - 1], f"{' ' * first.col_offset}return ..."]
    kept = lines[node.lineno - 1 : node.body[0].lineno - 1]
    for at, part in enumerate(node.body):
        if at > 0:
            kept.append("")
        if isinstance(part, ast.FunctionDef) and part.name != "__init__":
            kept += _emptied(lines, part)
        else:
            kept += lines[part.lineno - 1 : part.end_lineno]
    return kept


def write_students(folder: Path = STUDENT) -> int:
    """Write a copy of each notebook into `folder`, and remove those of notebooks that are no more; an exit code."""
    notebooks = {path.name: path for path in sorted(NOTEBOOKS.glob("0*.ipynb"))}
    for stale in set(folder.glob("*.ipynb")) - {folder / name for name in notebooks}:
        stale.unlink()
    for name, path in notebooks.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_text(student_text(path), encoding="utf-8")
    print(f"{len(notebooks)} copies in {folder}")
    return 0


def student_text(path: Path) -> str:
    """The file that a teacher's notebook gives."""
    text: str = nbformat.writes(student_copy(nbformat.read(path, as_version=4), path.name))
    return text + "\n"


if __name__ == "__main__":
    sys.exit(write_students())
