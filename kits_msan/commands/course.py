"""`kits-msan course`, `grade`, `site` and `doctor`: notebooks run, graded, shown as pages, and the machine for it."""

import argparse

from kits_msan.commands.options import Command, add_path, add_these, positive
from kits_msan.commands.stopping import overwritten
from kits_msan.errors import InputError, check_readable
from kits_msan.profiles import get_profile


def _course_options(command: argparse.ArgumentParser) -> None:
    add_path(command, "--out", "DIR", "gets the executed notebooks", required=True)
    add_path(command, "--data", "DIR", "folder of cases instead of fresh phantoms")
    command.add_argument("--no-train", action="store_true", help="use the shipped checkpoints")
    add_these(command, "--profile", "--seed", "--device", "--overwrite")


def _course(args: argparse.Namespace) -> int:
    from kits_msan.course.record import RECORD
    from kits_msan.course.run import run_course

    with overwritten(args, RECORD):
        return run_course(
            get_profile(args.profile), args.out, device=args.device, seed=args.seed, data=args.data,
            train=not args.no_train, overwrite=args.overwrite,
        )  # fmt: skip


def _site_options(command: argparse.ArgumentParser) -> None:
    add_path(command, "--out", "DIR", "gets DIR/index.html and the rest", required=True)
    add_path(
        command, "--run", "RUN", dest="course_run",
        help="show the executed notebooks of this course run (default: run the committed ones)",
    )  # fmt: skip
    add_these(command, "--overwrite")


def _site(args: argparse.Namespace) -> None:
    if args.course_run:
        check_readable(args.course_run)
    notebooks = sorted(args.course_run.glob("0*.ipynb")) if args.course_run else []
    if args.course_run and not notebooks:
        raise InputError(
            f"{args.course_run} holds no executed notebooks; name the folder of a `kits-msan course` run."
        )
    from kits_msan.course.site.build import build_site  # takes two seconds

    build_site(args.out, notebooks, overwrite=args.overwrite)
    print(f"open {args.out / 'index.html'} in a browser")


def _grade_options(command: argparse.ArgumentParser) -> None:
    add_path(command, "folder", "FOLDER", "collected notebooks, a folder for each student")
    add_path(command, "--out", "DIR", "gets grades.csv and a picture", required=True)
    command.add_argument("--seconds", type=positive, default=60, metavar="S", help="limit for a cell (default: 60)")
    command.add_argument("--memory", type=positive, default=4, metavar="GB", help="limit for a notebook (default: 4)")
    add_these(command, "--overwrite")


def _grade(args: argparse.Namespace) -> None:
    from kits_msan.course.grade.report import grade_folder

    grade_folder(args.folder, args.out, args.seconds, args.memory, overwrite=args.overwrite)


def _doctor(args: argparse.Namespace) -> int:
    from kits_msan.course.doctor.examine import examine

    return examine()


COURSE = Command(
    "course", "run the five notebooks: trains all networks and ends with the paper's table", _course_options, _course
)
SITE = Command(
    "site",
    "write the course as pages: they open from disk, without network and Python",
    _site_options,
    _site,
    keeps=False,
)
GRADE = Command(
    "grade", "run the students' notebooks and tabulate their checks: who is right, which mistakes are common",
    _grade_options, _grade,
)  # fmt: skip
DOCTOR = Command(
    "doctor", "say whether this machine can run the course: with which profile, in how many minutes",
    lambda command: None, _doctor, keeps=False,
)  # fmt: skip
