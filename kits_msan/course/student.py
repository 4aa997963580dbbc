"""The student's copies of the notebooks: the same cells, with `...` where the solutions were, and no outputs."""

import ast
import copy
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import nbformat

from kits_msan.course.paths import NOTEBOOKS
from kits_msan.files import atomic_file

STUDENT = NOTEBOOKS / "student"
SOLUTION, BUILD = "solution", "build"  # the tags of a cell that holds a worked solution, or a thing that is built
MARK = "kits_msan_copy"  # in a copy's metadata: by this a copy in which somebody wrote is known
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
    student.metadata[MARK] = _mark(student.cells)
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


def write_students(folder: Path = STUDENT, overwrite: bool = False) -> int:
    """Write a copy of each notebook into `folder`, and remove old copies of notebooks that are no more; an exit code.

    A copy in which somebody wrote stays as it is, and a line says so; with `overwrite` it is written anew. Other
    notebooks are never touched.
    """
    notebooks = {path.name: path for path in sorted(NOTEBOOKS.glob("0*.ipynb"))}
    for other in folder.glob("*.ipynb"):
        if other.name not in notebooks and is_unchanged(other):
            other.unlink()
    kept = [name for name in notebooks if (folder / name).exists() and not is_unchanged(folder / name)]
    if overwrite:
        kept = []
    for name, path in notebooks.items():
        if name not in kept:
            with atomic_file(folder / name) as temporary:
                temporary.write_text(student_text(path), encoding="utf-8")
    print(f"{len(notebooks) - len(kept)} copies in {folder}")
    if kept:
        print(f"Somebody wrote in {', '.join(kept)}; left as found. To lose that: make student OVERWRITE=1")
    return 0


def is_unchanged(path: Path) -> bool:
    """Whether a file is a copy of a notebook in which nobody wrote; running its cells changes nothing."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return bool(notebook["metadata"][MARK] == _mark(notebook["cells"]))
    except (OSError, ValueError, TypeError, KeyError):  # it is no copy, whatever it holds
        return False


def _mark(cells: Any) -> str:
    """What tells the texts of a notebook's cells from all others."""
    texts = [cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"]) for cell in cells]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def student_text(path: Path) -> str:
    """The file that a teacher's notebook gives."""
    text: str = nbformat.writes(student_copy(nbformat.read(path, as_version=4), path.name))
    return text + "\n"


if __name__ == "__main__":
    sys.exit(write_students(overwrite="--overwrite" in sys.argv[1:]))
