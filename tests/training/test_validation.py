"""Networks scored while they train, and the best one kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kits_msan.data.cases import load_case
from kits_msan.data.prepare import build_store
from kits_msan.data.store import StoredCase
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.metrics import dice_scores
from kits_msan.networks.checkpoints import MODEL, load_checkpoint, load_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile
from kits_msan.training.logs import VALIDATION, read_metrics
from kits_msan.training.loop import train
from kits_msan.training.runs import BEST
from kits_msan.training.validation import hold_out, is_scored, validation_scores


@pytest.mark.parametrize(
    ("steps", "scored"),
    [(20, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]), (4, [1, 2, 3, 4]), (15, [2, 3, 5, 6, 8, 9, 11, 12, 14, 15])],
)
def test_scores_are_taken_after_each_tenth(steps: int, scored: list[int]) -> None:
    assert [step for step in range(1, steps + 1) if is_scored(step, steps)] == scored


def test_last_cases_are_held_out() -> None:
    assert hold_out(["a", "b", "c"], 0) == (["a", "b", "c"], [])
    assert hold_out(["a", "b", "c"], 2) == (["a"], ["b", "c"])
    with pytest.raises(InputError, match="3 of 3 training cases are to be held out"):
        hold_out(["a", "b", "c"], 3)


def test_best_network_is_the_one_that_validation_says(data: Path, tmp_path: Path, store: Path, tiny: Profile) -> None:
    run, profile = tmp_path / "run", replace(tiny, steps=10, tumor_share=1.0)
    network = train("unet3d", store, profile, run, validate=1, progress=False)
    rows = read_metrics(run / VALIDATION)
    about = load_checkpoint(run / BEST)[1]
    composites = [row["composite"] for row in rows]
    assert len(set(composites)) > 1  # else any would be the best
    assert about["step"] == rows[composites.index(max(composites))]["step"]
    assert about["scores"]["validation"]["composite"] == pytest.approx(max(composites))
    assert about["cases"] == ["case_00000", "case_00001"]
    assert about["validation"] == ["case_00002"]  # a training case; case_00003 is for test
    case = load_case(data / "case_00002")  # its own spacing is the profile's
    for model, row in ((network, rows[-1]), (load_model(run / BEST), rows[composites.index(max(composites))])):
        assert case.label is not None
        scores = dice_scores(predict(model, case, device="cpu", clean=False), case.label)
        assert [row[key] for key in ("kidney", "tumor")] == pytest.approx(
            [scores[key] for key in ("kidney", "tumor")], abs=1e-6
        )
    assert load_checkpoint(run / MODEL)[1]["scores"]["validation"]["composite"] == pytest.approx(composites[-1])


def test_scores_are_means_over_all_cases_and_shared_by_processes(data: Path, store: Path, tiny: Profile) -> None:
    cases = build_store([data / "case_00000", data / "case_00001"], store, tiny)
    torch.manual_seed(0)
    network = build_model("unet3d", width=4, poolings=2)
    torch.nn.init.zeros_(network.get_parameter("head.bias"))  # else all is background

    def scores(chosen: Sequence[StoredCase], rank: int = 0, world: int = 1) -> list[float]:
        fabric = SimpleNamespace(
            global_rank=rank, world_size=world, device=torch.device("cpu"), all_reduce=lambda sums, reduce_op: sums
        )
        return list(validation_scores(fabric, network, chosen, tiny).values())

    first, second = scores(cases[:1]), scores(cases[1:])
    assert first != second
    assert scores(cases) == pytest.approx(np.mean([first, second], axis=0).tolist(), rel=1e-5)
    assert [scores(cases, rank, 2) for rank in (0, 1)] == [first, second]  # what each would add
