"""Running the course: its minutes, its table, and the cell that fails."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest

import kits_msan
import kits_msan.course.run
import kits_msan.phantom.make
from kits_msan.cli import main
from kits_msan.course.record import begin
from kits_msan.errors import InputError
from kits_msan.locks import only_user
from kits_msan.profiles import SHIPPED, SMOKE


def notebook(folder: Path, name: str, source: str) -> None:
    cells = [
        nbformat.v4.new_code_cell("profile = device = data = out = ''\ntrain, seed = True, 0", id="settings"),
        nbformat.v4.new_code_cell(source, id="the-work"),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / name)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of five notebooks that the course takes for its own; the first two do something."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(kits_msan.course.run, "NOTEBOOKS", folder)
    for number in range(1, 6):
        notebook(folder, f"0{number}_part.ipynb", "")
    return folder


@pytest.mark.slow
def test_failing_notebook_is_named_with_its_cell(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    notebook(books, "01_part.ipynb", "assert profile == 'smoke' and train is False and seed == 3 and device == 'cpu'")
    notebook(books, "02_part.ipynb", "raise ValueError('no kidneys')")
    out = tmp_path / "out"
    code = main(f"course --profile smoke --out {out} --data {data} --no-train --seed 3 --device cpu".split())
    assert code == 1
    err = capsys.readouterr().err
    assert "02_part.ipynb failed in cell 'the-work' [" in err
    assert err.rstrip().endswith("ValueError: no kidneys.")
    assert "Traceback" not in err
    # the rest is not run; what failed can be looked at
    assert sorted(path.name for path in out.iterdir()) == ["01_part.ipynb", "02_part.ipynb", "course.json"]


def test_course_ends_with_minutes_and_the_table(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(source: Path, target: Path, parameters: dict, timeout: int | None, keep_widgets: bool) -> None:
        shutil.copy(source, target)
        (Path(parameters["out"]) / "ablation").mkdir(exist_ok=True)
        (Path(parameters["out"]) / "ablation" / "table.md").write_text("| the table |", encoding="utf-8")

    monkeypatch.setattr(kits_msan.course.run, "execute", execute)
    assert main(["course", "--profile", "smoke", "--out", str(tmp_path / "out"), "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if " min  0" in line] == [f"0{i}_part.ipynb" for i in range(1, 6)]
    assert lines[-1] == "| the table |"
    assert len(json.loads((tmp_path / "out" / "seconds.json").read_text(encoding="utf-8"))) == 5


@pytest.mark.usefixtures("no_temporary_folder")
def test_without_a_temporary_folder_the_remedy_is_said(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["course", "--profile", "smoke", "--out", str(tmp_path / "out"), "--data", str(data)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kits-msan: No usable temporary directory found in ")
    assert line.endswith("; set TMPDIR to a folder that may be written.")


def test_what_a_notebook_run_by_hand_left_is_in_no_courses_way(tmp_path: Path) -> None:
    """In runs/<profile>, the folder of `make course`; but networks that were trained by hand are kept."""
    (tmp_path / "store-demo").mkdir()
    (tmp_path / "store-demo" / "case_00000.json").write_text("{}")
    assert begin(tmp_path, {"seed": 0}, overwrite=False)["done"] == {}
    assert list(tmp_path.iterdir()) == []
    for name in ("store-demo", "networks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "made").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="name another folder"):
            begin(tmp_path, {"seed": 0}, overwrite)
        assert len(list(tmp_path.iterdir())) == 2


def test_a_second_course_in_one_folder_waits_goes_on_or_is_refused(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = []

    def execute(source: Path, target: Path, parameters: dict, *_: object, **__: object) -> None:
        executed.append(source.name)
        shutil.copy(source, target)
        (tmp_path / "out" / "ablation").mkdir(exist_ok=True)
        (tmp_path / "out" / "ablation" / "table.md").write_text("| the table |", encoding="utf-8")

    monkeypatch.setattr(kits_msan.course.run, "execute", execute)
    line = ["course", "--profile", "smoke", "--out", str(tmp_path / "out"), "--data", str(data)]
    with only_user(tmp_path / "out", "course"):
        assert main(line) == 2
    assert "out is in use by another course" in capsys.readouterr().err
    assert executed == []
    assert main(line) == 0
    assert len(executed) == 5
    assert main([*line, "--seed", "1"]) == 2
    assert "results of a course with another seed (0, not 1)" in capsys.readouterr().err
    assert main(line) == 0
    assert "holds this course already" in capsys.readouterr().out
    assert len(executed) == 5


@pytest.mark.parametrize(
    ("word", "deaths", "runs"),
    [("Kernel died before replying", 2, 3), ("Kernel died before replying", 3, 3), ("E", 1, 1)],
)
def test_a_kernel_that_does_not_start_is_tried_again(word: str, deaths: int, runs: int) -> None:
    """But a notebook that fails is run once."""
    tries = []

    def run() -> None:
        tries.append(1)
        if len(tries) <= deaths:
            raise RuntimeError(word)

    with pytest.raises(RuntimeError, match=word) if runs == deaths else nullcontext():
        kits_msan.course.run._with_a_kernel(run)
    assert len(tries) == runs


def test_a_profile_that_trains_what_ships_has_no_course(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown profile of a course 'shipped'; choose one of smoke, laptop, gpu"):
        kits_msan.course.run.run_course(SHIPPED, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_course_without_notebooks_is_refused(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kits_msan.course.paths, "ROOT", tmp_path)
    with pytest.raises(InputError, match="lies in the repository of kits_msan, not in the package"):
        kits_msan.course.run.run_course(SMOKE, tmp_path / "out", data=data)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the course takes for its repository, without cases."""
    monkeypatch.setattr(kits_msan.course.paths, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / kits_msan.course.paths.FIRST).touch()
    return tmp_path


def test_a_clone_that_cannot_be_written_names_the_way_around(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "data").touch()  # in its way; a folder without rights would stop everybody but root
    with pytest.raises(InputError, match=r"phantoms-smoke-0 cannot be written \(.+\); .*set data=FOLDER"):
        kits_msan.course.paths.course_data(SMOKE)
    with pytest.raises(InputError, match=r"--profile smoke`, then add --data FOLDER\.$"):
        kits_msan.course.run.run_course(SMOKE, clone / "out")
    from kits_msan.course.site.build import build_site  # takes two seconds

    with pytest.raises(
        InputError, match=r"--profile laptop`, then run `kits-msan course .+`, and add --run RUN here\.$"
    ):
        build_site(clone / "site")
    monkeypatch.setattr("kits_msan.course.site.build.course_data", lambda *_, **__: None)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(
        InputError, match=r"runs may not be written, .*run `.+ --no-train --out RUN`, and add --run RUN"
    ):
        build_site(clone / "site")
    assert not (clone / "site").exists()


def test_to_grade_no_clone_must_be_written(clone: Path) -> None:
    (clone / "data").touch()
    with kits_msan.course.paths.smoke_cases() as folder:
        assert len(list(folder.glob("case_*"))) == SMOKE.train_cases + SMOKE.test_cases
    assert not folder.exists()
    (clone / "data").unlink()
    with kits_msan.course.paths.smoke_cases() as folder:
        assert folder == clone / "data" / "phantoms-smoke-0"
    assert folder.exists()


@pytest.mark.parametrize("line", ["course --profile smoke --data DIR --out OUT", "site --run DIR --out OUT"])
def test_a_folder_that_may_not_be_read_is_told_before_anything_runs(
    line: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != data)
    assert main(line.replace("DIR", str(data)).replace("OUT", str(tmp_path / "out")).split()) == 2
    assert capsys.readouterr().err == f"kits-msan: {data} may not be read; change its permissions.\n"
    assert not (tmp_path / "out").exists()


def test_a_notebook_of_a_run_that_may_not_be_read_is_told(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kits_msan.course.site.build import _read

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(nbformat, "read", refused)
    with pytest.raises(InputError, match=r"01_part\.ipynb may not be read; change its permissions"):
        _read(books / "01_part.ipynb")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("E: it is so.", "E: it is so."), ("E: no kidneys", "E: no kidneys."), ("AssertionError: ", "AssertionError.")],
)
def test_a_failure_ends_with_one_full_stop(text: str, sentence: str) -> None:
    assert kits_msan.course.run._ended(text) == sentence


def test_phantoms_of_the_course_are_made_once(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kits_msan.course.paths.course_data(SMOKE, seed=2)
    assert folder == clone / "data" / "phantoms-smoke-2"
    assert len(list(folder.glob("case_*"))) == SMOKE.train_cases + SMOKE.test_cases
    made = []
    monkeypatch.setattr(kits_msan.phantom.make, "write_phantoms", lambda *arguments, **_: made.append(arguments))
    assert kits_msan.course.paths.course_data(SMOKE, seed=2) == folder
    assert made == []
    monkeypatch.setattr(kits_msan.phantom.make, "PHANTOM_VERSION", -1)  # another version of the package draws others
    kits_msan.course.paths.course_data(SMOKE, seed=2)
    assert len(made) == 1
