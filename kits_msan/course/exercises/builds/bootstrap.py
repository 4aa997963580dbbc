"""A build of notebook 5, the bootstrap: its ends are compared, and how they depend on `rng` and on `draws`."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy  # its parts are loaded on first use

from kits_msan.course.exercises.compare import coarse, numbers, same
from kits_msan.course.exercises.exercise import Exercise, Inputs

FEW = 1_000  # draws, which are enough to see what a bootstrap ignores


def _differences(rng: np.random.Generator) -> Inputs:
    """Skewed differences of few and of more cases, draws and the share of them in percent."""
    few, many = 3_000, 10_000  # enough that two right answers with other random numbers lie close together
    right, left = rng.exponential(3, size=12) + 2, rng.exponential(5, size=9) - 8
    near, far = rng.normal(3, 4, size=24), rng.normal(10, 5, size=30)
    far[24:] += 20  # cases that are more than in the notebook, and are missed if left out
    return [
        (near, few, 90),  # first, since most that is wrong is wrong here, and quickly so
        (np.array([0.0, 0.3, 1.1, 1.8, 6.2, 10.5]), many, 95),
        (right, few, 95),
        (left, many, 68),
        (far, few, 99),  # half a percent outside, which // makes 0
    ]


def _bootstrap(
    one: bool = False, repeats: bool = True, measure: Callable[..., Any] = np.mean,
    outside: Callable[[float], tuple[float, float]] = lambda level: ((100 - level) / 2, 100 - (100 - level) / 2),
    give: Callable[[Any], Any] = lambda ends: tuple(ends), times: int = 1,
) -> Callable[[Any, int, float], Any]:  # fmt: skip
    """A bootstrap of `times` as many draws as are asked; the arguments are what can go wrong."""

    def bootstrap(differences: Any, draws: int, level: float) -> Any:
        rng, many = np.random.default_rng(1), np.tile(differences, (times * draws, 1))
        drawn = rng.choice(differences, many.shape) if repeats else rng.permuted(many, axis=1)
        return give(np.percentile(measure(drawn[:, :1] if one else drawn, axis=1), outside(level)))

    return bootstrap


def use_bootstrap(bootstrap: Callable[..., Any]) -> Callable[[Any, int, float], Any]:
    """The interval that a student's bootstrap gives."""

    def ends(differences: Any, draws: int, level: float, seed: int = 0) -> Any:
        return bootstrap(differences, draws, np.random.default_rng(seed), level)

    return ends


def _ignored(bootstrap: Callable[..., Any]) -> str | None:
    """What a bootstrap ignores, though its intervals are right: they would be so with other random numbers too."""

    def ends(draws: int = FEW, seed: int = 0, times: float = 1) -> list[Any]:
        return list(bootstrap(times * cases, draws, 90, seed))

    cases = _differences(np.random.default_rng(1))[0][0]
    first, exact = ends(), [float(numbers(end)) / 1000 for end in ends(times=1000)]
    if ends() != first:
        return (
            "your function gives other ends when it is called again with an equal `rng`. It ignores this `rng`, or "
            "draws by another one too: draw with rng.choice or rng.integers, not with np.random."
        )
    if not same(first, exact, 1e-4) or (coarse(first, exact) and not same(first, exact, 1e-4, half=False)):
        return "the ends were rounded; give them as they are."
    if ends(seed=1) == first:
        return "your function ignores `rng`: it draws the same with every seed. Draw with the `rng` that is given."
    if ends(2 * FEW) == first:
        return "your function ignores `draws`: it draws the same with twice as many. Repeat `draws` times."
    if _too_few(ends):
        return "fewer means are made than `draws`, so that of one draw none is left; range(draws) makes all."
    return None


def _too_few(ends: Callable[[int], list[Any]]) -> bool:
    """Whether one draw leaves no mean, and two leave one."""
    try:
        low, high = ends(2)
        if not same(low, high, 1e-9):
            return False
    except Exception:  # ends by their index may want more draws
        return False
    try:
        return not np.isfinite([numbers(end) for end in ends(1)]).all()
    except Exception:
        return True


def _by_scipy(method: Literal["BCa", "basic"]) -> Callable[[Any, int, float], Any]:
    def ends(differences: Any, draws: int, level: float) -> Any:
        made = scipy.stats.bootstrap(
            (differences,), np.mean, n_resamples=draws, confidence_level=level / 100, method=method, rng=0
        )
        return tuple(made.confidence_interval)

    return ends


def _by_normal(differences: Any, draws: int, level: float) -> Any:
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return differences.mean() - 1.96 * error, differences.mean() + 1.96 * error


EXERCISE = Exercise(
    use=use_bootstrap,
    solution=_bootstrap(times=20),  # nearly without noise of its own
    why="many means of cases drawn again show how far the mean could have been off.",
    inputs=_differences,
    then=_ignored,
    takes=("differences", "draws", "rng", "level"),
    tolerance=0.06,
    hint="Draw as many as there are, with repeats; take the mean; do so often; for 95 % take the percentiles "
    "2.5 and 97.5.",
    parts={
        "the lower end": "For 95 % it is the percentile 2.5 of the means.",
        "the upper end": "For 95 % it is the percentile 97.5 of the means.",
    },
    stops={
        "'float' object is not iterable": "Both percentages go into one list: np.percentile(means, [2.5, 97.5]).",
    },
    make=_bootstrap,
    seen={
        "both of your ends lie in the lower half of the means: np.percentile takes percent, 2.5 and 97.5, "
        "not the shares 0.025 and 0.975.": lambda got, want: max(got) < sum(want) / 2,
        "both of your ends lie in the upper half of the means; the lower one is the percentile 2.5 for 95 "
        "%.": lambda got, want: min(got) > sum(want) / 2,
    },
    mistakes={
        "these are percentiles of the cases; take those of the means of many draws.": (
            lambda differences, draws, level: np.percentile(differences, [(100 - level) / 2, 100 - (100 - level) / 2])
        ),
        "these are BCa ends, SciPy's default; method='percentile' gives those that are asked.": _by_scipy("BCa"),
        "these are ends of SciPy's method 'basic'; method='percentile' gives those that are asked.": (
            _by_scipy("basic")
        ),
        "this is mean ± 1.96 standard errors; draw again instead.": _by_normal,
        "these are ends by the t distribution; draw again instead.": lambda differences, draws, level: (
            scipy.stats.t.interval(
                level / 100, len(differences) - 1, differences.mean(), scipy.stats.sem(differences)
            )
        ),
        "these are ends by the normal distribution; draw again instead.": lambda differences, draws, level: (
            scipy.stats.norm.interval(level / 100, differences.mean(), scipy.stats.sem(differences))
        ),
    },
    flaws={
        "all your means are nearly the same. Draw with repeats, as rng.choice does by itself, and as many "
        "as there are, len(differences). Or was the mean taken over the wrong axis?": {"repeats": False},
        "these are medians of the draws; take their means.": {"measure": np.median},
        "these are sums of the draws; take their means.": {"measure": np.sum},
        "these are standard deviations of the draws; take their means.": {"measure": np.std},
        "these are the largest values of the draws; take their means.": {"measure": np.max},
        "the sign of the differences was lost; take the mean of the draws as they are.": {
            "measure": lambda drawn, axis: np.abs(drawn).mean(axis=axis)
        },
        "each draw holds one case; draw as many as there are.": {"one": True},
        "you always took 95 %; use `level`.": {"outside": lambda level: (2.5, 97.5)},
        "the lower end lies at percentile 0, so all that is outside lies above; half of it belongs below.": {
            "outside": lambda level: (0, level)
        },
        "half of `level` is no percentile here; half of what is *outside*, (100 - level) / 2, is.": {
            "outside": lambda level: (level / 2, 100 - level / 2)
        },
        "what lies outside was not halved: 2.5 % on each side make 95 %.": {
            "outside": lambda level: (100 - level, level)
        },
        "the upper end lies at the percentile `level`; half of what is outside lies above.": {
            "outside": lambda level: ((100 - level) / 2, level)
        },
        "the ends are exchanged; the lower comes first.": {"give": lambda ends: tuple(ends[::-1])},
        "this is the width of the interval; return both ends.": {"give": lambda ends: ends[1] - ends[0]},
    },
)
