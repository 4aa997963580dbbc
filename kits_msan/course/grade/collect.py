"""What was collected: whose notebook of which chapter a file is; what cannot be used is named, each in a line."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, convert, from_dict

from kits_msan.course.exercises.checks import BUILDS, EXERCISES
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.errors import InputError, one_line
from kits_msan.files import read_json

ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")  # as learning platforms hand notebooks out
HIDDEN = (".", "__")  # what systems put beside: .ipynb_checkpoints, __MACOSX
ASKED = sorted([*EXERCISES, *BUILDS])  # 1.1 to 1.4, then the builds 1.b; 2.1 ...
CHECK = re.compile(r"""checks\.(?:check|passes)\(\s*["'](\d\.\w)["']""")
COMMENT = re.compile("#.*")
ENDING = re.compile(r"(\.ipynb)?\.[^.]*$", re.IGNORECASE)
COPY = re.compile(r"([ _-]*\b(copy|kopie) ?\d*| ?\(\d+\))+$", re.IGNORECASE)  # of Jupyter, browsers, systems
COPY_OF = re.compile(r"((copy of|kopie von) +)+", re.IGNORECASE)  # of Colab
CANVAS = re.compile(r"([^_]+)(?:_late)?_(\d+)_\d{4,}_", re.IGNORECASE)  # name, number of the student, of the upload
MOODLE = re.compile(r"_\d+_assignsubmission_.*")  # after the name; each assignment has another number
SAME_TIME = 2  # seconds: the step of the times in a zip file, and more than it takes to copy a folder of notebooks
AGAIN = "ask the student for it again"

Found = tuple[str, int, Path]  # student, chapter, file


def collected(folder: Path) -> list[Found]:
    """(student, number of the notebook, file) of all notebooks below `folder`, one for a student and a number.

    A student's name is the topmost folder that notebooks lie in, such as `ann` for `ann/backup` too, or what a file's
    name has beside that of the notebook. `Ann` and `ann` are one, and a line says so; the oldest file's name counts.
    A file that cannot be read counts if its name tells which notebook it was. Raises InputError if there are none.
    """
    chapters: dict[Path, int] = {}
    others = []
    closed = unreadable(folder)
    for path in closed:
        _say(f"{path} may not be read; change its permissions.")
    for path in filter(os.path.isfile, _shown(folder)):  # which a forbidden one is not
        name = path.name.lower()
        if name.endswith(".ipynb"):
            if chapter := _chapter(path):
                chapters[path] = chapter
        elif name.endswith(ARCHIVES):
            _say(f"{path} is an archive and was left out; unpack it.")
        elif ".ipynb" in name or _original(path):
            others.append(path)
    homes = {path.parent for path in chapters} - {folder}
    spelled_so: dict[str, dict[str, None]] = {}
    for path in sorted(chapters, key=lambda path: path.stat().st_mtime):
        student = _student(path, folder, homes)
        spelled_so.setdefault(student.casefold(), {})[student] = None
    names = {key: next(iter(spellings)) for key, spellings in spelled_so.items()}
    for spellings in spelled_so.values():
        if len(spellings) > 1:
            _say(f"{', '.join(spellings)} are taken for one student; if they are several, give them other names.")
    found: dict[tuple[str, int], list[Path]] = {}
    for path, chapter in chapters.items():
        found.setdefault((names[_student(path, folder, homes).casefold()], chapter), []).append(path)
    for path in others:
        student = _student(path, folder, homes)
        if (names.get(student.casefold(), student), _named(path)) not in found:
            _say(f"{path} does not end in .ipynb; rename it if it is the notebook, else ask the student for that.")
    if not found:
        remedy = "make the folders above readable" if closed else "collect the students' copies there"
        raise InputError(f"{folder} holds no notebooks with exercises of this course; {remedy}.")
    for group, students in _groups(student for student, _ in found).items():
        several = f"{folder / group} holds several students: {', '.join(students)}"
        _say(f"{several}; if they are one, put the notebooks together.")
    return [(student, chapter, _one_of(paths, student, chapter)) for (student, chapter), paths in found.items()]


def empty_handed(folder: Path, found: Iterable[Found]) -> list[str]:
    """Names of the folders right below `folder` whose students have no notebook, there or elsewhere."""
    used = {path.relative_to(folder).parts[0] for _, _, path in found}
    students = {student.casefold() for student, _, _ in found}
    places = [place.name for place in sorted(folder.iterdir()) if place.is_dir()]
    places = [name for name in places if name not in used and not name.startswith(HIDDEN)]
    return [name for name in places if _plain_name(name).casefold() not in students]


def unreadable(folder: Path) -> list[Path]:
    """The folders below `folder` that may not be listed or entered: `rglob` finds nothing in them, and is silent."""
    return [path for path in _shown(folder) if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK)]


def code_cells(path: Path) -> list[NotebookNode]:
    """The code cells of a notebook, made anew with their text alone: whatever else a file holds cannot disturb.

    The cell of the parameters is tagged. Raises InputError for a file that is no notebook.
    """
    notebook = _upgraded(read_json(path, AGAIN))
    cells = notebook.get("cells")
    if (language := _language(notebook)) and "python" not in language.lower():
        raise InputError(f"{path} is a notebook in {spelled(language)}, and the course is in Python; {AGAIN}.")
    if not isinstance(cells, list):
        raise InputError(f"{path} holds no list of cells; {AGAIN}.")
    known = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type", "code") == "code"]
    return [code_cell(_text(cell.get("source")), parameters=_is_parameters(cell)) for cell in known]


def code_cell(source: str, **metadata: Any) -> NotebookNode:
    """A code cell that was not run."""
    return from_dict(
        {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}
    )


def checks_in(source: str) -> list[str]:
    """Numbers of the exercises and builds that a cell checks; a check in a comment is none."""
    return [number for number in CHECK.findall(COMMENT.sub("", source)) if number in ASKED]


def of_chapter(chapter: int) -> list[str]:
    """Numbers of the exercises and builds of a notebook."""
    return [number for number in ASKED if number.startswith(f"{chapter}.")]


def spelled(text: str) -> str:
    """The text with half characters, such as of a name from another system, as "\\udcfc": they cannot be written."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(folder: Path) -> list[Path]:
    """All files and folders below `folder`, without hidden ones and what is in these."""
    paths = sorted(folder.rglob("*"))
    return [path for path in paths if not any(part.startswith(HIDDEN) for part in path.relative_to(folder).parts)]


def _chapter(path: Path) -> int | None:
    """The number of the course's notebook that a file is, by its checks or by its name, or None."""
    try:
        chapters = Counter(int(number[0]) for cell in code_cells(path) for number in checks_in(cell.source))
    except InputError as error:
        _say(str(error))
        return _named(path)
    if chapters:
        return chapters.most_common(1)[0][0]
    if not _named(path):
        _say(f"{path} has no exercise of this course and was left out; ask the student if it should.")
    return _named(path)


def _original(path: Path) -> Path | None:
    """The course's notebook whose name is in that of a file."""
    return next((one for one in sorted(NOTEBOOKS.glob("0*.ipynb")) if one.stem in path.name.lower()), None)


def _named(path: Path) -> int | None:
    """The number that a file's name gives."""
    original = _original(path)
    return int(original.name[:2]) if original else None


def _student(path: Path, folder: Path, homes: set[Path]) -> str:
    """The name of a file's student; homes: the folders in which notebooks lie."""
    if path.parent != folder:
        above = [parent for parent in path.parents if parent in homes and parent.is_relative_to(folder)]
        return _plain_name((above[-1] if above else path.parent).relative_to(folder).as_posix())
    bare, original = ENDING.sub("", path.name), _original(path)
    if canvas := CANVAS.match(bare):
        return _plain_name(f"{canvas[1]}_{canvas[2]}")
    begins = COPY_OF.match(bare)
    bare = COPY.sub("", bare[begins.end() if begins else 0 :])
    rest = re.sub(re.escape(original.stem), "", bare, flags=re.IGNORECASE) if original else bare
    return _plain_name(rest).strip("-_. ") or bare


def _plain_name(name: str) -> str:
    """A student's name without what Moodle puts after it, and composed: a Mac parts ö into o and two dots."""
    return unicodedata.normalize("NFC", MOODLE.sub("", name))


def _groups(students: Iterable[str]) -> dict[str, list[str]]:
    """The folders in which more than one student has a folder."""
    groups: dict[str, list[str]] = {}
    for student in dict.fromkeys(students):
        top, slash, rest = student.partition("/")
        if slash:
            groups.setdefault(top, []).append(rest)
    return {top: rests for top, rests in groups.items() if len(rests) > 1}


def _one_of(paths: list[Path], student: str, chapter: int) -> Path:
    """The notebook that counts: the newest that can be read; of equally new ones that with the course's name."""
    paths = [path for path in paths if _is_readable(path)] or paths
    newest = max(path.stat().st_mtime for path in paths)
    originals = [original.stem for original in NOTEBOOKS.glob("0*.ipynb")]
    taken = min(
        (path for path in paths if newest - path.stat().st_mtime <= SAME_TIME),
        key=lambda path: (path.stem not in originals, len(path.name), path.name),
    )
    top = os.path.commonpath([path.parent for path in paths])
    names = {path: Path(os.path.relpath(path, top)).as_posix() for path in paths}
    if left := ", ".join(name for path, name in names.items() if path != taken):
        _say(f"{student} has several notebooks {chapter}: {names[taken]} counts, left out: {left}.")
    return taken


def _is_readable(path: Path) -> bool:
    try:
        return bool(code_cells(path))
    except InputError:
        return False


def _text(source: Any) -> str:
    """A cell's text, which a file holds in one piece or in lines; what is no text counts as none."""
    parts = source if isinstance(source, list) else [source]
    return spelled("".join(part for part in parts if isinstance(part, str)))


def _upgraded(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook of an old Jupyter's, whose cells lie in sheets, as one of today's."""
    try:
        return convert(from_dict(notebook), 4) if "worksheets" in notebook else notebook
    except Exception:  # it is none, whatever it holds
        return notebook


def _language(notebook: dict[str, Any]) -> str:
    """The language that a notebook names, or nothing."""
    metadata: Any = notebook.get("metadata")
    for place, key in (("language_info", "name"), ("kernelspec", "language")):
        told = metadata.get(place) if isinstance(metadata, dict) else None
        if isinstance(told, dict) and isinstance(told.get(key), str):
            return str(told[key])
    return ""


def _is_parameters(cell: dict[str, Any]) -> bool:
    """Whether a cell sets the parameters: by its tag, or, where that was lost, by how the course's begin."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return (isinstance(tags, list) and "parameters" in tags) or _text(cell.get("source")).startswith("profile = ")


def _say(sentence: str) -> None:
    print(one_line(sentence))
