"""The workflows of CI: they parse, stop in time, ask for no rights, and call what exists."""

import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from kits_msan.cli import build_parser

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    return read


def load(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return read


def triggers(workflow: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workflow[True]  # YAML reads the key `on` as true
    return found


def commands(workflow: dict[Any, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_there_are_three() -> None:
    assert [path.name for path in WORKFLOWS] == ["gpu.yml", "tests.yml", "weekly.yml"]


def test_every_job_has_a_time_limit(workflow: dict[Any, Any]) -> None:
    for name, job in workflow["jobs"].items():
        assert 5 <= job["timeout-minutes"] <= 90, name


def test_no_rights_and_no_secrets(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in triggers(workflow)
    assert not re.search(r"secrets\.|permissions|GITHUB_TOKEN", json.dumps(workflow["jobs"]))


def test_a_newer_push_stops_the_older_run(workflow: dict[Any, Any]) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "github.ref" in workflow["concurrency"]["group"]


def test_every_make_target_exists(workflow: dict[Any, Any]) -> None:
    called = {name for text in commands(workflow) for name in re.findall(r"\bmake ([a-z]+)", text)}
    assert called <= TARGETS
    assert called


def test_nothing_from_outside_is_pasted_into_a_command(workflow: dict[Any, Any]) -> None:
    assert not [text for text in commands(workflow) if "${{" in text]


def test_systems_and_pythons() -> None:
    matrix = load("tests.yml")["jobs"]["pytest"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"


def test_the_tested_pythons_are_those_that_the_doctor_knows() -> None:
    from kits_msan.course.doctor.software import LEAST_PYTHON, TESTED_PYTHON

    pythons = load("tests.yml")["jobs"]["pytest"]["strategy"]["matrix"]["python"]
    assert [tuple(map(int, text.split("."))) for text in (pythons[0], pythons[-1])] == [LEAST_PYTHON, TESTED_PYTHON]


def test_every_push_runs_the_course_and_compares_the_notebooks() -> None:
    workflow = load("tests.yml")
    assert set(triggers(workflow)) == {"push", "pull_request"}
    text = json.dumps(workflow["jobs"])
    for part in (
        "make course PROFILE=smoke",
        "make nbval",
        "make lint",
        "make site",
        '"aten": "avx2"',
        '"onednn": "AVX2"',
    ):
        assert part in text, part


def test_other_instruction_sets_are_tried_weekly() -> None:
    workflow = load("weekly.yml")
    assert set(triggers(workflow)) == {"schedule", "workflow_dispatch"}
    wanted = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"}
    assert wanted in [step.get("env") for step in workflow["jobs"]["nbval"]["steps"]]


def test_the_package_alone_is_tried_weekly_outside_the_clone() -> None:
    said = "\n".join(step.get("run", "") for step in load("weekly.yml")["jobs"]["bare"]["steps"])
    assert "pip install .\n" in said  # no extra
    assert said.index('cd "$RUNNER_TEMP"') < said.index("kits-msan predict")
    for name in re.findall(r"\$GITHUB_WORKSPACE/([\w./]+)", said):
        assert (ROOT / name).exists(), name
    for line in re.findall(r"^kits-msan (.*)$", said, re.MULTILINE):
        build_parser().parse_args(line.replace('"', "").split())


def test_a_gpu_runs_by_label_by_hand_and_weekly_and_never_for_a_fork() -> None:
    workflow = load("gpu.yml")
    assert set(triggers(workflow)) == {"workflow_dispatch", "schedule", "pull_request"}
    assert triggers(workflow)["pull_request"] == {"types": ["labeled"]}
    job = workflow["jobs"]["course"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert "label.name == 'gpu'" in job["if"]
    assert job["runs-on"] == ["self-hosted", "gpu"]
    [upload] = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    assert {"runs/*/*.ipynb", "runs/*/seconds.json"} <= set(upload["with"]["path"].split())


def test_every_action_names_its_version(workflow: dict[Any, Any]) -> None:
    steps = itertools.chain.from_iterable(job["steps"] for job in workflow["jobs"].values())
    for step in steps:
        assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])


def test_the_devcontainer_parses_and_calls_what_exists() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert set(re.findall(r"make (\w+)", container["postCreateCommand"])) <= TARGETS
    assert container["image"].rpartition(":")[2] in ("3.11", "3.12", "3.13")
