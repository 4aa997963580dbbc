"""What a training notes of itself: metrics.csv, TensorBoard events and the curve as a picture."""

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kits_msan.errors import InputError
from kits_msan.files import atomic_file
from kits_msan.metrics import SCORES, TARGETS

METRICS = "metrics.csv"
VALIDATION = "validation.csv"
CURVE = "curve.png"
EVENTS = "events"
ROWS = 200  # about so many rows has metrics.csv


class MetricsLog:
    """About 200 rows of step, learning rate, mean loss since the last row, and seconds so far; validation scores.

    All of it is in memory and in `state`, from which a resumed run goes on: the files are written anew with each
    row, so that what a killed or full-disk run left of them does not matter.
    """

    def __init__(self, run: Path, steps: int) -> None:
        self.run, self.steps = run, steps
        self.every = max(steps // ROWS, 1)
        self.rows: list[list[str]] = []
        self.losses: list[float] = []  # since the last row
        self.scores: list[dict[str, float]] = []
        self.spent = 0.0  # seconds, before this start
        self.started = time.perf_counter()
        self.events: Any = None

    @property
    def seconds(self) -> float:
        """Seconds of training, over all starts."""
        return self.spent + time.perf_counter() - self.started

    @property
    def state(self) -> dict[str, Any]:
        """All that a resumed run needs, JSON-able."""
        return {"rows": self.rows, "losses": self.losses, "scores": self.scores, "seconds": self.seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. Raises KeyError or TypeError for what is none."""
        self.rows, self.losses, self.scores = (list(state[name]) for name in ("rows", "losses", "scores"))
        self.spent = 0.0 + state["seconds"]
        self.started = time.perf_counter()

    def add(self, step: int, rate: float, loss: float) -> bool:
        """Note the loss of a step, the `step`th; returns whether that made a row."""
        self.losses.append(loss)
        if step % self.every and step != self.steps:
            return False
        mean = sum(self.losses) / len(self.losses)
        self.rows.append([str(step), f"{rate:.3e}", f"{mean:.5f}", f"{self.seconds:.1f}"])
        self.losses = []
        return True

    def add_scores(self, step: int, scores: Mapping[str, float]) -> bool:
        """Note validation scores; returns whether they are the best so far."""
        best = max((row["composite"] for row in self.scores), default=float("-inf"))
        self.scores.append({"step": step, **scores})
        return scores["composite"] > best

    def write(self) -> None:
        """Bring the tables up to date. Raises OSError."""
        _write(self.run / METRICS, ["step", "learning_rate", "loss", "seconds"], self.rows)
        if self.scores:
            _write(self.run / VALIDATION, ["step", *SCORES], [list(row.values()) for row in self.scores])

    def write_events(self, step: int, values: Mapping[str, float]) -> None:
        """Add values to what TensorBoard shows. Raises OSError."""
        # Below SummaryWriter, whose thread would hang on a full disk, and which cannot say that events of an earlier
        # start no longer count.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        if self.events is None:
            (self.run / EVENTS).mkdir(exist_ok=True)
            self.events = EventsWriter(str(self.run / EVENTS / "events"), f".{step}")
            start = SessionLog(status=SessionLog.START)  # what an earlier start noted from here on no longer counts
            self.events.write_event(Event(wall_time=time.time(), step=step, session_log=start))
        for name, value in values.items():
            self.events.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
        self.events.flush()

    def close(self) -> None:
        """Close the event file."""
        if self.events is not None:
            self.events.close()
            self.events = None

    def draw(self) -> None:
        """Draw curve.png. Raises OSError."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot([int(row[0]) for row in self.rows], [float(row[2]) for row in self.rows], label="training loss")
        if self.scores:
            for name in TARGETS:
                points = [row[name] for row in self.scores]
                axes.plot([row["step"] for row in self.scores], points, "o-", label=f"validation Dice, {name}")
        axes.set(xlabel="step", xlim=(0, self.steps), ylim=(0, None))
        axes.legend()
        with atomic_file(self.run / CURVE) as temporary:
            figure.savefig(temporary, dpi=100)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv. Raises InputError, naming the file, for any other."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name the {METRICS} of a run.") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged or no table of numbers; name the {METRICS} of a run.") from error


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
