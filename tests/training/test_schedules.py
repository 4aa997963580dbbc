"""Learning rates and profiles."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from kits_msan.errors import InputError
from kits_msan.profiles import PAPER, PROFILES, Profile, get_profile
from kits_msan.training.loop import learning_rate, train


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 4.0), (1, 8.0), (2, 8.0), (11, 4.0), (8, 6.0), (14, 2.0), (19, 4 * (1 + math.cos(math.pi * 17 / 18)))],
)
def test_one_cycle_by_hand(tiny: Profile, step: int, rate: float) -> None:
    # 2 steps up; then 18 along a cosine: a third of the way at 8 (3/4), half at 11 (1/2), two thirds at 14 (1/4)
    profile = replace(tiny, schedule="one-cycle", steps=20, learning_rate=8.0)
    assert learning_rate(profile, step) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 1e-3), (99_999, 1e-3), (100_000, 1e-4), (199_999, 1e-4), (200_000, 1e-5), (300_000, 1e-6), (399_999, 1e-6)],
)
def test_paper_divides_by_ten_every_hundred_thousand_steps(step: int, rate: float) -> None:
    assert learning_rate(PAPER, step) == pytest.approx(rate)


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("schedule", ["steps", "one-cycle"])
def test_short_runs_have_a_rate_for_every_step(tiny: Profile, schedule: str, steps: int) -> None:
    profile = replace(tiny, schedule=schedule, steps=steps)
    rates = [learning_rate(profile, step) for step in range(steps)]
    assert all(0 < rate <= profile.learning_rate for rate in rates)
    assert max(rates) == profile.learning_rate


def test_papers_profile_is_the_papers() -> None:
    paper = Profile(
        "paper", train_cases=180, test_cases=10, spacing=None, grid=(96, 512, 512), width=32, poolings=4,
        slab=4, batch=2, steps=400_000, learning_rate=1e-3, schedule="steps", loss="dice",
        weight_decay=0, augment="", tumor_share=0, kidney_share=0, smooth=1e-5,
    )  # fmt: skip
    assert paper == get_profile("paper")


def test_profiles_by_name() -> None:
    assert list(PROFILES) == ["smoke", "laptop", "shipped", "shipped-gpu", "gpu", "paper"]
    assert all(get_profile(name).name == name for name in PROFILES)
    assert get_profile(PAPER) is PAPER
    with pytest.raises(
        InputError, match="unknown profile 'desktop'; choose one of smoke, laptop, shipped, shipped-gpu, gpu, paper"
    ):
        get_profile("desktop")


@pytest.mark.parametrize("change", [{"weight_decay": 0.9}, {"smooth": 500.0}, {"together": 1}, {}])
def test_a_setting_reaches_the_training(change: dict[str, float], store: Path, tiny: Profile, tmp_path: Path) -> None:
    """Without a change it is the seed of the first weights, which hardly move at this rate."""
    quick = replace(tiny, steps=3, learning_rate=0.1 if change else 1e-9)
    one = train("unet3d", store, quick, tmp_path / "one", progress=False).state_dict()
    changed, seed = replace(quick, **change), int(not change)  # type: ignore[arg-type]
    other = train("unet3d", store, changed, tmp_path / "two", seed=seed, progress=False).state_dict()
    assert (one["head.weight"] - other["head.weight"]).abs().max() > 1e-6
