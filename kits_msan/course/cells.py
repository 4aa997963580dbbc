"""Small helps for the cells of the notebooks: cases that are made or made again, and what a student has built."""

import ast
import contextlib
import io
import types
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kits_msan.course.paths import NOTEBOOKS, course_data, data_folder, phantoms_are_fresh
from kits_msan.data.cases import TUMOR, Case, find_cases, load_case
from kits_msan.errors import InputError
from kits_msan.profiles import Profile, profile_from

FINE_GRID, FINE_SPACING = (14, 512, 512), (2.0, 0.75, 0.75)  # 28 mm: more would be slow, and large in a page
TRIED = 10  # cases, for one with a tumor


def first_case(profile: Profile, data: str | Path = "", seed: int = 0) -> Case:
    """The first of the cases of `course_data` that has a tumor, without making the others: a picture should not wait.

    Where none of the first TRIED has one, it is the first. Raises InputError for a `data` that does not exist.
    """
    folder = data_folder(profile, data, seed)
    if data or phantoms_are_fresh(folder):
        cases = [partial(load_case, path) for path in find_cases(folder)]
    else:
        cases = [partial(_phantom, profile, seed, number) for number in range(profile.train_cases)]
    for make in cases[:TRIED]:
        case = make()
        if case.label is not None and (case.label == TUMOR).any():
            return case
    return cases[0]()


def fine_case(profile: Profile, data: str | Path = "", seed: int = 0) -> Case:
    """The patient of `first_case` on a hospital's grid: 14 slices of 512 x 512 voxels, 2 x 0.75 x 0.75 mm, (D, H, W).

    Made once and kept in `data/`, or each time where that may not be written. A folder `data` already has its own
    grid, and the smoke profile only shows that everything runs: there it is the first case as it is. Raises
    InputError for a `data` that does not exist.
    """
    first = first_case(profile, data, seed)
    if data or profile.name == "smoke":
        return first
    number = int(first.name.removeprefix("case_"))
    fine = replace(profile, name="fine", train_cases=number + 1, test_cases=0, grid=FINE_GRID, spacing=FINE_SPACING)
    with contextlib.suppress(InputError):
        course_data(fine, seed=seed)
    stored = data_folder(fine, seed=seed) / first.name
    if phantoms_are_fresh(stored.parent) and stored.exists():  # an older version stored the first patient alone
        return load_case(stored)
    return _phantom(fine, seed, number)


def _phantom(profile: Profile, seed: int, number: int) -> Case:
    from kits_msan.phantom import case_seed, phantom_case

    return replace(phantom_case(case_seed(seed, "train", number), profile), name=f"case_{number:05d}")


def patients_of(checkpoint: str | Path, count: int = 12, voxels: Profile | None = None) -> list[Case]:
    """The last `count` phantoms that the network of a checkpoint had all their time to learn from, made again.

    The shipped networks learned from patients that were made while they trained (`training.fresh`), and forgotten.
    Which they were follows from the seed and the steps that the checkpoint names. Those that still were there at the
    end, but the oldest, had less time and are left out; and so are those that were chosen (`patient_seed`), as test
    patients are not.
    voxels: a profile whose grid and spacing they get, instead of those of the training.
    Raises InputError for a checkpoint of a training on a folder of cases.
    """
    from kits_msan.networks.checkpoints import load_about
    from kits_msan.phantom import phantom_case
    from kits_msan.training.fresh import WISHES, patient_seed

    about = load_about(checkpoint)
    profile = profile_from(about["profile"])
    if not profile.fresh:
        raise InputError(f"{checkpoint} was trained on a folder of cases; load them from there.")
    oldest = (profile.steps - 1) // profile.fresh  # of the patients of the last step
    indices = range(0, oldest + 1, len(WISHES))[-count:]
    return [phantom_case(patient_seed(about["seed"], index), voxels or profile) for index in indices]


def built(*functions: Any) -> bool:
    """Whether a student has filled all of these in; says so where not. A starter does nothing but return `...`."""
    blank = [function.__name__ for function in functions if _is_starter(function)]
    if blank:
        print(f"Not built yet: fill in {', '.join(blank)} above, run that cell, then this one again.")
    return not blank


def own_build(number: str, name: str) -> Any:
    """What the student built in another notebook, such as the class `name` of build "2.b"; None if it is not right.

    It is taken from that notebook as it was saved, in the folder of this one. Says why it is not used.
    """
    import nbformat

    from kits_msan.course.exercises.checks import passes

    file = next(NOTEBOOKS.glob(f"0{number[0]}_*.ipynb")).name
    known: dict[str, Any] = {}
    try:
        for cell in nbformat.read(Path.cwd() / file, as_version=4).cells:
            if cell.cell_type == "code":
                _import(cell.source, known)
            if "build" in cell.metadata.get("tags", []):
                exec(cell.source, known)
        with contextlib.redirect_stdout(io.StringIO()):
            right = passes(number, known[name])
        why = "" if right else "its check there does not say that it is right"
    except FileNotFoundError:
        why = "that notebook is not in this folder"
    except Exception as error:  # a notebook that was torn, or a cell that stops
        why = f"{type(error).__name__}: {error}"
    if why:
        print(f"{name} of {file} is not used: {why}.")
    return None if why else known[name]


def _import(source: str, known: dict[str, Any]) -> None:
    """Run the imports of a cell, and nothing else of it."""
    with contextlib.suppress(SyntaxError):  # of a line for the notebook, such as %timeit
        lines: list[ast.stmt] = [
            line for line in ast.parse(source).body if isinstance(line, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(lines, []), "<cell>", "exec"), known)


def _is_starter(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    constants = set(code.co_consts) - {None, function.__doc__}
    return constants == {...} and not code.co_names
