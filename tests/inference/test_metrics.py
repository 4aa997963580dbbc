from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kits_msan.data.cases import LABEL, Case, save_segmentation
from kits_msan.errors import InputError
from kits_msan.metrics import dice_scores, score_folders, surface_scores, tumor_measures

NAN = float("nan")


@pytest.mark.parametrize(
    ("found", "true", "kidney", "tumor", "composite"),
    [
        ([0, 1, 1, 2], [0, 1, 1, 2], 1, 1, 1),
        # kidney counts tumor as kidney: found 3, true 3, both 3; tumor: found 2, true 1, both 1
        ([0, 1, 2, 2], [0, 1, 1, 2], 1, 2 / 3, 5 / 6),
        ([1, 1, 0, 0], [0, 1, 1, 2], 2 / 5, 0, 1 / 5),
        ([0, 0, 0, 0], [0, 1, 1, 2], 0, 0, 0),  # nothing found
        ([0, 1, 1, 2], [0, 0, 0, 0], 0, 0, 0),  # nothing there
        ([0, 1, 1, 0], [0, 1, 1, 2], 4 / 5, 0, 2 / 5),  # tumor missed
        ([0, 1, 1, 2], [0, 1, 1, 1], 1, 0, 1 / 2),  # tumor invented
        ([0, 1, 0, 0], [0, 1, 1, 1], 1 / 2, NAN, 1 / 2),  # no tumor in either: left out of the mean
        ([0, 0, 0, 0], [0, 0, 0, 0], NAN, NAN, NAN),
        ([2, 2, 2, 2], [1, 1, 1, 1], 1, 0, 1 / 2),
    ],
)
def test_official_scores_by_hand(
    found: list[int], true: list[int], kidney: float, tumor: float, composite: float
) -> None:
    for prediction, truth in (
        (found, true),
        (np.array(found, np.uint8)[:, None, None], np.array(true)[:, None, None]),
    ):
        scores = dice_scores(prediction, truth)
        assert scores == pytest.approx({"kidney": kidney, "tumor": tumor, "composite": composite}, nan_ok=True)


@pytest.mark.parametrize("function", [dice_scores, lambda a, b: surface_scores(a, b, (1, 1, 1))])
def test_scores_of_different_shapes_are_refused(function: Callable) -> None:
    with pytest.raises(InputError, match=r"the prediction has shape \(2, 2, 2\), the truth \(2, 2, 3\)"):
        function(np.zeros((2, 2, 2), int), np.zeros((2, 2, 3), int))


@pytest.mark.parametrize(
    ("labels", "seen"),
    [([0, 3], "holds 3;"), ([0, -1], "holds -1;"), ([0, 0.9], "holds 0.9;"), ([1, NAN], "holds nan;"),
     ([3, 4, 5, 6], "holds 3, 4, 5 and more;"), (["a", "b"], "holds values of type <U1;"), (None, "type object")],
)  # fmt: skip
def test_what_is_no_label_gets_no_score(labels: list, seen: str) -> None:
    for function in (dice_scores, lambda a, b: tumor_measures(a, b, (1, 1, 1))):
        with pytest.raises(InputError, match=f"the prediction {seen}|the prediction holds values of {seen}"):
            function(labels, [0, 1])
        with pytest.raises(InputError, match=f"the truth {seen}|the truth holds values of {seen}"):
            function([0, 1], labels)


def cube(start: int, value: int = 1, size: int = 6) -> np.ndarray:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5 : 5 + size, 5 : 5 + size, start : start + size] = value
    return labels


@pytest.mark.parametrize(
    ("shift", "spacing", "distance"),
    [
        (0, (1.0, 1.0, 1.0), 0.0),
        (4, (1.0, 1.0, 1.0), 4.0),
        (4, (3.0, 1.0, 0.5), 2.0),
        (3, (3.0, 1.0, 2.0), 6.0),
    ],
)
def test_surface_distance_of_a_shifted_cube(shift: int, spacing: tuple[float, ...], distance: float) -> None:
    # of 152 surface voxels the 36 of the far face lie `shift` columns outside of the other cube: more than 5 %
    scores = surface_scores(cube(5 + shift), cube(5), spacing)
    assert scores["kidney_hd95"] == pytest.approx(distance)
    assert np.isnan(scores["tumor_hd95"])
    assert np.isnan(scores["tumor_surface_dice"])


def test_surface_dice_by_hand() -> None:
    assert surface_scores(cube(5), cube(5), (1, 1, 1))["kidney_surface_dice"] == 1
    assert surface_scores(cube(7), cube(5), (1, 1, 1))["kidney_surface_dice"] == 1  # 2 mm is within the tolerance
    # 3 columns off: of each cube's 152 surface voxels, its outer face of 36 is 3 mm away from the other's surface
    share = surface_scores(cube(8), cube(5), (1, 1, 1))["kidney_surface_dice"]
    assert share == pytest.approx(1 - 36 / 152)
    assert surface_scores(cube(14), cube(5), (1, 1, 5))["kidney_surface_dice"] == 0


def test_tumor_is_measured_apart_from_the_kidney_around_it() -> None:
    truth, found = cube(5), cube(5)
    truth[7:9, 7:9, 6:8] = found[7:9, 7:9, 8:10] = 2
    scores = surface_scores(found, truth, (1, 1, 1))
    assert scores["kidney_hd95"] == 0
    assert scores["kidney_surface_dice"] == 1
    assert scores["tumor_hd95"] == pytest.approx(2)


def test_size_of_the_tumor_and_how_much_of_it_is_found() -> None:
    truth, found = np.zeros((4, 10, 10), np.uint8), np.zeros((4, 10, 10), np.uint8)
    truth[1:3, 2:7, 2:7] = 2  # 50 voxels of 5 x 2 x 2 mm: 1 ml, a sphere of 12.4 mm
    found[1, 2:7, 2:7] = 2
    found[0] = 2  # what is painted elsewhere does not count
    found[2] = 1
    measures = tumor_measures(found, truth, (5, 2, 2))
    assert measures == pytest.approx(
        {"tumor_ml": 1.0, "tumor_mm": 12.407, "tumor_recall": 0.5, "called_ml": 2.5}, rel=1e-4
    )
    none = tumor_measures(found, np.zeros_like(truth), (5, 2, 2))
    assert none == pytest.approx({"tumor_ml": 0, "tumor_mm": 0, "tumor_recall": NAN, "called_ml": 2.5}, nan_ok=True)


@pytest.fixture
def folders(tmp_path: Path, make_case: Callable[..., Case]) -> tuple[Path, Path]:
    """Truth of two cases, and predictions: the first right, the second without its tumor."""
    for number, name in enumerate(["case_00000", "case_00001"]):
        case = make_case(name, seed=number)
        assert case.label is not None
        save_segmentation(case.label, case, tmp_path / "truth" / name / LABEL)
        found = np.minimum(case.label, 2 - number).astype(np.uint8)
        save_segmentation(found, case, tmp_path / "found" / name / LABEL)
    return tmp_path / "found", tmp_path / "truth"


def test_folders_are_compared_by_case_name(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    table = score_folders(found, truth)
    assert table.to_dict("list") == {
        "case": ["case_00000", "case_00001"], "kidney": [1, 1], "tumor": [1, 0], "composite": [1, 0.5],
        "tumor_ml": pytest.approx([32.64, 30.72]), "called_ml": pytest.approx([32.64, 0]),
    }  # fmt: skip
    assert score_folders(found / "case_00001", truth)["case"].tolist() == ["case_00001"]
    surfaces = score_folders(found, truth, surface=True)
    assert surfaces["kidney_hd95"].tolist() == [0, 0]
    assert surfaces["tumor_surface_dice"].tolist() == [1, 0]  # missed altogether
    assert surfaces["tumor_hd95"].tolist() == pytest.approx([0, NAN], nan_ok=True)


def test_names_of_nnunet_and_slicer_are_understood_and_two_files_just_compared(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    (found / "case_00000").rename(found / "case_00000_0000")
    (found / "case_00001" / LABEL).rename(found / "case_00001.seg.nii.gz")
    (found / "case_00001").rmdir()
    table = score_folders(found, truth)
    assert table["case"].tolist() == ["case_00000_0000", "case_00001.seg"]
    assert table["tumor"].tolist() == [1, 0]
    alone = score_folders(found / "case_00001.seg.nii.gz", truth / "case_00001" / LABEL)
    assert alone["tumor"].tolist() == [0]
    (found / "case_00000_0000" / LABEL).rename(found / "case_00000.nii.gz")
    other = found / "case_00000.nii.gz"
    for name in ("case_00001.nii.gz", "case_00001_0000.nii.gz"):
        other = other.rename(found / name)
        with pytest.raises(InputError, match=r"found/case_00001.* and .*found/case_00001.* are both of case_00001;"):
            score_folders(found, truth)


def test_prediction_on_another_grid_is_refused(folders: tuple[Path, Path], make_case: Callable[..., Case]) -> None:
    found, truth = folders
    other = make_case(spacing=(10.0, 8.0, 7.0))
    assert other.label is not None
    save_segmentation(other.label, other, found / "case_00000" / LABEL)
    with pytest.raises(InputError, match="is not on the grid of"):
        score_folders(found, truth)


CUBE = np.pad(np.ones((2, 2, 2), np.uint8), 1)


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 4, 4)])
def test_surfaces_are_of_one_scan(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"of one scan, \(D, H, W\), not of an array of shape"):
        surface_scores(np.ones(shape), np.ones(shape), (5, 1, 1))


@pytest.mark.parametrize("score", [surface_scores, tumor_measures])
@pytest.mark.parametrize("spacing", [(-1, 1, 1), (0, 1, 1), (5,), 5.0, (np.nan, 1, 1), ("a", 1, 1), None])
def test_what_is_no_spacing_gets_no_score(score: Callable, spacing: Any) -> None:
    with pytest.raises(InputError, match=r"the spacing is .*; give three numbers of mm above 0"):
        score(CUBE, CUBE, spacing)
    score(CUBE, CUBE, (5, 2.5, np.float32(2.5)))


@pytest.mark.parametrize(("astray", "distance"), [(1, 0), (4, 10)])
def test_one_border_voxel_in_forty_is_beyond_the_95th_percentile_and_four_are_not(
    astray: int, distance: float
) -> None:
    truth = np.zeros((3, 12, 42), np.uint8)
    truth[1, 0, 1:41] = 1
    found = truth.copy()
    found[1, 10, 1 : 1 + astray] = 1
    assert surface_scores(found, truth, (1, 1, 1))["kidney_hd95"] == pytest.approx(distance, abs=1e-4)
