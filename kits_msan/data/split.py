"""Which cases are for training and which for test: the paper's split, a split file, and cases left out.

Cases are chosen by name, never by a position in a list: a folder that holds only some of the cases then means the
same as one that holds all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kits_msan.data.cases import case_name, find_cases
from kits_msan.data.kits19 import CASES, name_of
from kits_msan.errors import InputError, first_of, note
from kits_msan.files import read_json

PAPER_TRAIN, PAPER_TEST = range(180), range(180, 190)  # paper, section 3: first 180, and ten of 180 to 190
SPLIT_FILE = "split.json"


@dataclass(frozen=True)
class Split:
    """Names of the training and the test cases; no case is in both."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def require(self, part: Literal["train", "test"]) -> tuple[str, ...]:
        """The names of one part. Raises InputError if it is empty."""
        names = self.train if part == "train" else self.test
        if not names:
            ids = PAPER_TRAIN if part == "train" else PAPER_TEST
            raise InputError(
                f"the split leaves no {part} case; add some of the paper's {part} cases {ids[0]}-{ids[-1]} to the "
                f"data folder, or name a split file that lists others."
            )
        return names


def load_split(
    data: str | Path | Sequence[str],
    split_file: str | Path | None = None,
    exclude: Iterable[int] = (),
    store: Path | None = None,
) -> Split:
    """Which of the cases that are present are for training and which for test.

    data: a folder of cases, or the names of the cases.
    split_file: JSON, {"train": [names], "test": [names]}. Without it, `split.json` in the data folder is taken
    (a folder of phantoms has one); without that, the paper's split: ids 0-179 train, 180-189 test.
    exclude: case ids to leave out of both, such as EXCLUDED_2019.
    store: where the cases of these names are stored, for the message.
    Raises InputError if the split file is broken, names a case twice, in both parts, or one that is absent.
    """
    out = {name_of(case_id) for case_id in exclude}
    if isinstance(data, str | Path):
        paths, where = find_cases(data), str(data)
        if paths == [Path(data)]:
            raise InputError(f"{data} is a single case; name the folder that holds the cases.")
        names = [case_name(path) for path in paths]
        beside = Path(data) / SPLIT_FILE
        split_file = beside if split_file is None and beside.is_file() else split_file
    else:
        names, where = list(data), f"the store {store}" if store else "the given cases"
    present = set(names) - out
    if split_file is None:
        train, test = ([name_of(i) for i in ids if name_of(i) in present] for ids in (PAPER_TRAIN, PAPER_TEST))
        if others := sorted(present - {name_of(i) for i in range(CASES)}):
            note(
                f"{where}: {len(others)} of {len(names)} cases are none of KiTS19's {CASES} and in no part of the "
                f"paper's split, so they are left out: {first_of(others)}; a split file can name them."
            )
        return Split(tuple(train), tuple(test))
    parts = _read_split(Path(split_file), sorted(present))
    listed = [name for name in parts.train + parts.test if name not in out]
    absent = sorted(set(listed) - present)
    if absent:
        remedy = "prepare" if store else "add"
        raise InputError(
            f"{split_file} names {first_of(absent, 1)}, absent from {where}; {remedy} or exclude what is absent."
        )
    return Split(*(tuple(name for name in part if name in present) for part in (parts.train, parts.test)))


def refuse_test_cases(train_names: Iterable[str], split: Split) -> None:
    """Raise InputError if a training run over `train_names` would see a test case of `split`."""
    seen = sorted(set(train_names) & set(split.test))
    if seen:
        raise InputError(f"training would see {', '.join(seen)}, which the split keeps for testing; leave them out.")


def _read_split(path: Path, present: Sequence[str]) -> Split:
    wanted = 'name a split file that holds {"train": [names], "test": [names]}'
    keys: list[str] = []

    def noting(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys[:] = [key for key, _ in pairs]  # in the end, of the outermost object
        return dict(pairs)

    content = read_json(path, wanted, noting)
    for part in ("train", "test"):
        if keys.count(part) > 1:  # of which JSON's readers take the last and drop the others
            raise InputError(f"{path} lists {part} more than once; put its names in one list.")
    parts = [content.get(part) for part in ("train", "test")]
    lists = [tuple(part) for part in parts if isinstance(part, list) and all(isinstance(n, str) for n in part)]
    if len(lists) < 2:
        raise InputError(f"{path} is not a split; {wanted}.")
    train, test = lists
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(f"{path} has {both[0]} in both train and test; a case can only be in one.")
    for names in lists:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path} names {twice} twice; name each case once.")
    for key, other in content.items():
        if isinstance(other, list) and (out := [n for n in other if n in present and n not in train + test]):
            note(f"{path}: {key} is no part of a split (train, test), so its cases are left out: {first_of(out)}.")
    return Split(train, test)
