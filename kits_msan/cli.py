"""The `kits-msan` command: it refuses what makes no sense and calls the package.

Exit code 0 on success, 2 for bad input (one sentence on stderr), 1 for a notebook or a training that fails or a bug,
130 after Ctrl-C and 143 after SIGTERM.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace

from kits_msan.arguments import build_parser
from kits_msan.errors import InputError
from kits_msan.profiles import Profile, get_profile

# Heavy modules are imported by the command that needs them: `kits-msan --help` should not wait for torch.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = build_parser(COMMANDS).parse_args(arguments)
    try:
        return args.run(args) or 0
    except InputError as error:
        return _fail(str(error), 2)
    except FloatingPointError as error:  # a training whose loss is no longer finite
        return _fail(str(error), 1)
    except OSError as error:  # a full disk, a folder that may not be written: the system's word, with the file's name
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}.", 2)
    except KeyboardInterrupt as stop:  # after SIGTERM too, when a training has written its checkpoint
        words = ["kits-msan", *(sys.argv[1:] if arguments is None else arguments)]
        again = shlex.join(word for word in words if word != "--overwrite")
        return _fail(f"{stop or 'stopped'}; to go on:  {again}", getattr(stop, "code", 130))


def _fail(message: str, code: int) -> int:
    """Say why, once: of several processes that train together the first speaks, and the launcher minds its code."""
    from kits_msan.training.processes import is_first_process

    if not is_first_process():
        return 0
    print(f"kits-msan: {message}", file=sys.stderr)
    return code


def phantom(args: argparse.Namespace) -> None:
    """Make synthetic cases."""
    from kits_msan.phantom.make import write_phantoms

    profile = get_profile(args.profile)
    cases = args.cases or profile.train_cases + profile.test_cases
    test = (
        args.test
        if args.test is not None
        else round(cases * profile.test_cases / (profile.train_cases + profile.test_cases))
    )
    write_phantoms(args.out, cases - test, test, args.seed, profile, overwrite=args.overwrite, progress=True)
    print(f"{cases - test} training and {test} test cases in {args.out}")


def prepare(args: argparse.Namespace) -> None:
    """Make a store."""
    from kits_msan.data.kits19 import load_split
    from kits_msan.data.store import prepare

    split = load_split(args.data, args.split, _excluded(args))
    left_out = prepare(args.data, args.out, get_profile(args.profile), split, strict=args.strict)
    for name, reason in left_out.items():
        print(f"kits-msan: {name} is left out: {reason}", file=sys.stderr)
    print(f"{len(split.train) + len(split.test) - len(left_out)} cases in {args.out}")


def train(args: argparse.Namespace) -> None:
    """Train one network."""
    from kits_msan.data.store import split_of
    from kits_msan.files import refuse_results
    from kits_msan.training.loop import MODEL, train
    from kits_msan.training.processes import is_first_process

    profile = _profile(args)
    split = split_of(args.data, args.split, _excluded(args))
    if (args.out / MODEL).exists():
        refuse_results(args.out, args.overwrite)
    train(
        args.model, args.data, profile, args.out, split=split, seed=args.seed, device=args.device,
        precision=args.precision, devices=args.devices, validate=args.validate, overwrite=args.overwrite,
    )  # fmt: skip
    if is_first_process():
        print(f"trained network in {args.out / MODEL}")


def predict(args: argparse.Namespace) -> None:
    """Segment scans."""
    from kits_msan.data.cases import LABEL, case_name, find_cases, load_case, save_segmentation
    from kits_msan.devices import pick_device
    from kits_msan.files import refuse_results
    from kits_msan.inference import predict, spacing_note
    from kits_msan.networks.checkpoints import load_model

    pick_device(args.device)
    paths = find_cases(args.input)
    names = [case_name(path) for path in paths]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{args.input} holds two scans named {min(twice)}; rename one.")
    refuse_results(args.out, args.overwrite)
    models = [load_model(path) for path in args.checkpoint]
    note = f"The networks expect {spacing_note(models)}.\n"
    failures = []
    for path, name in zip(paths, names, strict=True):
        try:
            case = load_case(path, label=False)
            labels = predict(models, case, device=args.device, clean=not args.no_clean)
        except InputError as error:  # the others are still worth having
            failures.append(str(error))
            continue
        save_segmentation(labels, case, args.out / name / LABEL)
        print(f"{note}{args.out / name / LABEL}")
        note = ""  # once, above the list
    if failures:
        raise InputError(" ".join(failures))


def evaluate(args: argparse.Namespace) -> None:
    """Score segmentations."""
    from kits_msan.files import atomic_file
    from kits_msan.metrics import SCORES, bootstrap_interval, score_folders

    if args.out.exists() and not args.overwrite:
        raise InputError(f"{args.out} exists; name another file or add --overwrite.")
    scores = score_folders(args.predictions, args.truth, surface=args.surface)
    with atomic_file(args.out) as temporary:
        scores.to_csv(temporary, index=False, float_format="%.5f")
    for score in SCORES:
        values = 100 * scores[score]
        low, high = bootstrap_interval(values)
        print(f"{score:10} {values.mean():6.2f} [{low:.2f}, {high:.2f}]  n = {values.count()}")


def ablation(args: argparse.Namespace) -> None:
    """Run the paper's comparison."""
    from kits_msan.ablation.results import TABLE
    from kits_msan.ablation.run import run_ablation
    from kits_msan.data.store import split_of
    from kits_msan.networks.msan import MODELS, VARIANTS
    from kits_msan.networks.peers import PEERS

    names = [*MODELS, *(PEERS if args.peers else ()), *(VARIANTS if args.variants else ())]
    run_ablation(
        args.data, _profile(args), args.out, names=names,
        seeds=range(args.seed, args.seed + args.seeds), checkpoints=args.checkpoints, devices=args.devices,
        split=split_of(args.data, args.split, _excluded(args)), device=args.device, overwrite=args.overwrite,
    )  # fmt: skip
    print((args.out / TABLE).read_text(encoding="utf-8"))


def _profile(args: argparse.Namespace) -> Profile:
    profile = get_profile(args.profile)
    return replace(profile, steps=args.steps) if args.steps else profile


def course(args: argparse.Namespace) -> int:
    """Run the notebooks."""
    from kits_msan.course.run import run_course

    return run_course(
        get_profile(args.profile), args.out, device=args.device, seed=args.seed, data=args.data,
        train=not args.no_train, overwrite=args.overwrite,
    )  # fmt: skip


def site(args: argparse.Namespace) -> None:
    """Write the course as pages."""
    from kits_msan.course.site.build import build_site

    notebooks = sorted(args.course_run.glob("0*.ipynb")) if args.course_run else []
    if args.course_run and not notebooks:
        raise InputError(
            f"{args.course_run} holds no executed notebooks; name the folder of a `kits-msan course` run."
        )
    build_site(args.out, notebooks, overwrite=args.overwrite)
    print(f"open {args.out / 'index.html'} in a browser")


def doctor(args: argparse.Namespace) -> int:
    """Examine the machine."""
    from kits_msan.course.doctor.examine import examine

    return examine()


def download(args: argparse.Namespace) -> None:
    """Fetch KiTS19."""
    from kits_msan.data.download import IMAGE_BASE, LABEL_BASE, download
    from kits_msan.data.kits19 import parse_cases

    done = download(
        parse_cases(args.cases), args.out, labels_only=args.labels_only,
        image_base=args.image_base or IMAGE_BASE, label_base=args.label_base or LABEL_BASE,
    )  # fmt: skip
    print(f"{len(done)} cases in {args.out}")


def _excluded(args: argparse.Namespace) -> list[int]:
    from kits_msan.data.kits19 import parse_cases

    return parse_cases(args.exclude) if args.exclude else []


COMMANDS = {
    function.__name__: function
    for function in (phantom, download, prepare, train, predict, evaluate, ablation, course, site, doctor)
}

if __name__ == "__main__":
    sys.exit(main())
