"""Patients without a tumor: a stratum of their own, and how much is called tumor in them."""

import pandas as pd
import pytest

from kits_msan.ablation.report import _without_tumor
from kits_msan.ablation.tables import strata_table


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two patients with a tumor, one of them missed; two without, in one of whom 6 ml are called tumor."""
    table = pd.DataFrame(
        [
            ("a", 0.9, 0.5, 30.0, 14.1, 12.0),
            ("b", 0.9, 0.0, 10.0, 0.5, 0.0),
            ("c", 0.9, 0.0, 0.0, 0.0, 6.0),
            ("d", 0.9, float("nan"), 0.0, 0.0, 0.0),
        ],
        columns=["case", "kidney", "tumor", "tumor_mm", "tumor_ml", "called_ml"],
    )
    return table.assign(seed=0, model="unet3d", composite=table[["kidney", "tumor"]].mean(axis=1))


def test_they_are_a_stratum_and_nothing_is_missed_in_them(scores: pd.DataFrame) -> None:
    table = strata_table(scores, "size").set_index("size")
    assert table.index.astype(str).tolist() == ["no tumor", "under 20 mm", "20 to 40 mm"]
    assert table["n"].tolist() == [2, 1, 1]
    assert table["missed"].tolist() == [0, 1, 0]


def test_what_is_called_tumor_in_them(scores: pd.DataFrame) -> None:
    [row] = _without_tumor(scores).to_numpy().tolist()
    assert row == ["3D U-Net", 2, "3.0", "6.0", "50.0"]


def test_no_table_where_every_case_has_a_tumor_or_the_volume_is_not_known(scores: pd.DataFrame) -> None:
    assert _without_tumor(scores[scores["tumor_ml"] > 0]).empty
    assert _without_tumor(scores.drop(columns="called_ml")).empty
