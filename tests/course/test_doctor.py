"""The doctor: every line says ok, look or missing and what to do, and no broken machine makes it fall over."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from kits_msan.course import paths
from kits_msan.course.doctor import examine as doctor
from kits_msan.course.doctor import software
from kits_msan.course.doctor.software import LOOK, MISSING, OK, Finding
from kits_msan.course.paths import CHECKPOINTS
from kits_msan.course.run import MINUTES

Answer = Callable[..., "subprocess.Popen[str]"]


def skip_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what depends on the clone is looked at."""
    monkeypatch.setattr(doctor, "TORCH", "print('{}')")
    monkeypatch.setattr(doctor, "torch_and_gpu", lambda process: Finding(OK, "no GPU", process.communicate()[0]))
    for name in ("python", "packages", "cores", "memory", "jupyter", "browser"):
        monkeypatch.setattr(doctor, name, lambda: Finding(OK, "", ""))


def torch_says(**about: object) -> "subprocess.Popen[str]":
    """A process that answers as the one with torch does."""
    text = json.dumps({"cuda": "", "gpu": "", "memory": 0, "mps": False} | about)
    return subprocess.Popen([sys.executable, "-c", f"print({text!r})"], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_it_runs_as_a_command_and_names_the_profile_and_the_minutes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kits_msan", "doctor"], capture_output=True, timeout=120, check=False
    )
    report = done.stdout.decode()
    assert done.returncode == 0, report + done.stderr.decode()
    assert not done.stderr
    assert {line.split()[0] for line in report.splitlines() if line} <= {OK, LOOK, "->", "Use", "Work"}
    assert "profile" in report.splitlines()[-1]


@pytest.mark.slow
def test_without_any_package_it_says_what_is_missing() -> None:
    """A Python that sees the standard library alone, as in a clone that nothing was installed for."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "kits_msan", "doctor"], capture_output=True, check=False,
        cwd=doctor.ROOT, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    report = done.stdout.decode()
    assert done.returncode == 2
    assert not done.stderr
    assert "missing packages     not installed: filelock, " in report
    assert report.splitlines()[-1].startswith("The course cannot run yet: see packages, ")
    assert "make install" in report


def test_outside_the_repository_it_names_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "ROOT", tmp_path)
    monkeypatch.setattr(software, "_installed", lambda name: "")
    monkeypatch.setattr(software, "_declared", lambda: ["torch>=2.6"])
    finding = software.packages()
    assert finding.todo == 'install the packages: pip install "kits_msan[course]"'


@pytest.mark.parametrize(
    ("about", "card", "state", "words"),
    [
        ({}, "", OK, "none is needed"),
        ({"mps": True}, "", OK, "Apple's"),
        ({"cuda": "13.0", "gpu": "H200", "memory": 150.0}, "H200", OK, "H200, 150 GB"),
        ({"cuda": "13.0", "gpu": "T1000", "memory": 4.3}, "T1000", LOOK, "use the laptop profile"),
        ({}, "RTX 9", LOOK, "install a CUDA build of torch"),
        ({"cuda": "13.0"}, "RTX 9", LOOK, "the driver is likely older than CUDA 13.0"),
    ],
)
def test_graphics_cards(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, object], card: str, state: str, words: str
) -> None:
    monkeypatch.setattr(software, "graphics_card", lambda: card)
    finding = software.torch_and_gpu(torch_says(**about))
    assert finding.state == state
    assert words in str(finding)


def test_a_torch_that_crashes_or_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    crash: Answer = lambda code: subprocess.Popen([sys.executable, "-c", code], **pipe)  # type: ignore[call-overload] # noqa: E731
    finding = software.torch_and_gpu(crash("raise OSError('libtorch.so: not found')"))
    assert (finding.state, finding.found) == (MISSING, "OSError: libtorch.so: not found")
    finding = software.torch_and_gpu(crash("import sys; sys.exit(3)"))
    assert finding.found == "exit code 3"
    monkeypatch.setattr(software, "TORCH_SECONDS", 0.1)
    finding = software.torch_and_gpu(crash("import time; time.sleep(60)"))
    assert finding.state == MISSING


def test_old_and_other_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "_declared", lambda: ["torch>=2.6", "numpy"])
    versions = {"torch": "2.5.1", "numpy": "2.0.0"}
    monkeypatch.setattr(software, "_installed", versions.__getitem__)
    finding = software.packages()
    assert (finding.state, finding.found) == (MISSING, "torch>=2.6 (found 2.5.1)")
    versions["torch"] = "2.13.0+cpu"
    finding = software.packages()
    assert finding.state == LOOK
    assert "numpy 2.0.0 (pin: " in finding.found
    assert "torch" not in finding.found
    versions["numpy"] = ""
    finding = software.packages()
    assert (finding.state, finding.found) == (MISSING, "not installed: numpy")


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 9), MISSING), ((3, 11, 0), OK), ((3, 13, 1), OK), ((3, 15, 0), LOOK)]
)
def test_versions_of_python(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], state: str) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert software.python().state == state


def test_small_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_cores", lambda: 1)
    monkeypatch.setattr(doctor, "available_memory", lambda: 1.9)
    assert doctor.cores().state == doctor.memory().state == LOOK
    assert doctor.data_folder().state == OK
    full = shutil.disk_usage(doctor.ROOT)._replace(free=10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    assert doctor.data_folder().state == MISSING

    def no_browser() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", no_browser)
    assert doctor.browser().state == LOOK


def test_the_machine_is_measured() -> None:
    assert 1 <= doctor.available_cores() <= (os.cpu_count() or 1)
    assert 0.5 < doctor.available_memory() < 10_000


def test_the_advice_names_minutes() -> None:
    assert f"about {MINUTES['gpu']:.0f} minutes" in doctor.advice(True, 16, 64)
    laptop = "make course PROFILE=laptop (or kits-msan course --profile laptop --out runs/laptop), about "
    assert f"{laptop}{MINUTES['laptop']:.0f} minutes" in doctor.advice(False, 2, 8)
    for processors, gigabytes in ((1, 8), (8, 1)):
        assert "PROFILE=smoke" in doctor.advice(False, processors, gigabytes)


def test_a_jupyter_of_another_python_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert software.jupyter().state == OK
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    finding = software.jupyter()
    assert finding.state == LOOK
    assert str(tmp_path / "jupyter-lab") in finding.found
    monkeypatch.setattr(software, "_installed", lambda name: "")
    assert software.jupyter().state == MISSING


def test_broken_checkpoints_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = shutil.copytree(CHECKPOINTS, tmp_path / "checkpoints")
    monkeypatch.setattr(doctor, "CHECKPOINTS", folder)
    assert doctor.checkpoints().state == OK
    whole = (folder / "unet3d.safetensors").read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    for broken in (whole[:-1], whole[:20], whole + b"0", b"", pointer, b"\2\0\0\0\0\0\0\0{}"):
        (folder / "unet3d.safetensors").write_bytes(broken)
        finding = doctor.checkpoints()
        assert (finding.state, finding.found) == (MISSING, "not readable: unet3d.safetensors")
    (folder / "unet3d.safetensors").unlink()
    finding = doctor.checkpoints()
    assert finding.found == f"4 of 5 in {folder}"


def test_a_clone_that_cannot_be_written_can_run_the_course_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    finding = doctor.data_folder()
    assert finding.state == LOOK
    assert finding.found == f"{doctor.ROOT / 'data'} cannot be written: Read-only file system"
    assert "set data= to that folder and out= to another" in finding.todo
    skip_the_machine(monkeypatch)
    assert doctor.examine() == 0
    assert "make course" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.usefixtures("no_temporary_folder")
def test_a_machine_without_a_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    skip_the_machine(monkeypatch)
    assert doctor.examine() == 2
    report = capsys.readouterr().out
    assert f"missing temp folder  No usable temporary directory found in ['{tmp_path / 'absent'}']\n" in report
    assert "-> set TMPDIR to a folder that may be written\n" in report
    assert "see temp folder above" in report


def test_outside_a_clone_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    skip_the_machine(monkeypatch)
    assert doctor.examine() == 2
    report = capsys.readouterr().out.splitlines()
    assert f"missing clone        {tmp_path} is not in a clone of kits_msan" in report
    assert report[-1] == "The course cannot run yet: see clone above."
    assert not [line for line in report if "checkpoints" in line or "data folder" in line]


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def memory() -> Finding:
        raise RuntimeError("no meminfo")

    skip_the_machine(monkeypatch)
    monkeypatch.setattr(doctor, "memory", memory)
    assert doctor.examine() == 2
    report = capsys.readouterr().out
    assert "missing memory       RuntimeError: no meminfo" in report
    assert report.endswith("\nThe course cannot run yet: see memory above.\n")
