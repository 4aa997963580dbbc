"""Cases and networks that would give a wrong segmentation, and nobody told."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kits_msan.data.cases import Case, kits_affine
from kits_msan.errors import InputError, InputNote
from kits_msan.inference import predict
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile


class Constant(Network):
    """Gives every voxel the same logits, one for each channel."""

    def __init__(self, *logits: float) -> None:
        super().__init__(4, 2, (1, 2, 2))
        self.logits = torch.tensor(logits).reshape(1, -1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1, *x.shape[2:])


KIDNEY = Constant(0.0, 1.0, 0.0)
ALONG = "does not say that its axes run IPL"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: {"affine": case.affine * [-1, 1, 1, 1]}, ALONG),  # upside down
        (lambda case: {"affine": case.affine[:, [2, 1, 0, 3]]}, ALONG),
        (lambda case: {"affine": np.eye(4)}, ALONG),
        (lambda case: {"affine": case.affine * np.nan}, ALONG),
        (lambda case: {"affine": None}, ALONG),
        (lambda case: {"spacing": (10.0, 8.0, 8.16)}, "10 x 8 x 8.16 mm, but that of its affine 10 x 8 x 8 mm; give"),
        (
            lambda case: {"spacing": (10.0, 0.0, 8.0)},
            "give three numbers of mm above 0: between slices, rows, columns",
        ),
        (lambda case: {"spacing": (10.0, np.nan, 8.0)}, "give three numbers of mm above 0"),
        (lambda case: {"spacing": (8.0, 8.0)}, "give three numbers of mm above 0"),
        (lambda case: {"spacing": None}, "give three numbers of mm above 0"),
        (lambda case: {"affine": [[1]]}, ALONG),
        (lambda case: {"affine": [[1], [1, 2]]}, "the affine of case_00000 holds no array"),
        (lambda case: {"image": None}, "case_00000 has no image to segment"),
        (lambda case: {"image": case.image[None]}, r"the image of case_00000 is not \(D, H, W\) of finite HU"),
        (lambda case: {"image": case.image[:0]}, r"the image of case_00000 is not \(D, H, W\) of finite HU"),
        (lambda case: {"image": case.image * np.nan}, r"the image of case_00000 is not \(D, H, W\) of finite HU"),
        (lambda case: {"image": case.image > 0}, r"the image of case_00000 is not \(D, H, W\) of finite HU"),
        (lambda case: {"image": [[1], [1, 2]]}, "the image of case_00000 holds no array"),
        (lambda case: {"image": case.image + 1024}, "case_00000 has values .* so it is not in Hounsfield units"),
        (lambda case: {"image": ((case.image + 200) / 700).clip(0, 1)}, "case_00000 .* not in Hounsfield units"),
    ],
)
def test_a_case_that_is_not_as_it_must_be_is_refused(
    make_case: Callable[..., Case], tiny: Profile, change: Callable[[Case], dict[str, Any]], message: str
) -> None:
    case = make_case()
    assert (predict(KIDNEY, case, tiny, clean=False) == 1).all()
    with pytest.raises(InputError, match=message):
        predict(KIDNEY, replace(case, **change(case)), tiny)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_affine_without_size_is_refused(make_case: Callable[..., Case], tiny: Profile) -> None:
    with pytest.raises(InputError, match=ALONG):
        predict(KIDNEY, replace(make_case(), affine=np.zeros((4, 4))), tiny)


def test_a_case_may_be_oblique_turned_and_of_another_number_type(
    make_case: Callable[..., Case], tiny: Profile
) -> None:
    case = make_case()
    assert case.image is not None
    torch.manual_seed(0)
    model = build_model("unet3d", width=4, poolings=2)
    wanted = predict(model, case, tiny, clean=False)
    angle = np.deg2rad(45)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    oblique = case.affine.copy()
    oblique[:3, :3] = turn @ case.affine[:3, :3]
    changes: list[dict[str, Any]] = [{"affine": oblique}, {"affine": kits_affine((10.01, 8, 8))}]
    changes += [{"image": case.image[:, ::-1].copy()[:, ::-1]}, {"image": case.image.astype(">i2")}]
    for change in changes:
        np.testing.assert_array_equal(predict(model, replace(case, **change), tiny, clean=False), wanted)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "there is no network to segment with"),
        ("unet3d.safetensors", "a str is no network; read one with load_model"),
        (Path("unet3d.safetensors"), "Path is no network; read one with load_model"),
        (["unet3d.safetensors"], "a str is no network"),
        (torch.nn.Conv3d(1, 3, 1), "a Conv3d is no network"),
        (Constant(0.0), r"network Constant does not give logits \(N, 3, D, H, W\), so it cannot segment"),
        (Constant(0.0, 1.0), "network Constant does not give logits"),
        ([KIDNEY, Constant(0.0, np.nan, 0.0)], "network Constant gives NaN, so it finds nothing; train it again"),
        (Constant(0.0, np.inf, 0.0), "network Constant gives NaN"),
    ],
)
def test_what_gives_no_classes_is_refused(
    make_case: Callable[..., Case], tiny: Profile, models: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        predict(models, make_case(), tiny)


@pytest.mark.parametrize(
    "change", [{"spacing": (-10.0, 8.0, 8.0)}, {"spacing": (0.0, 8.0, 8.0)}, {"slab": 0}, {"slab": -4}]
)
def test_a_profile_that_none_is_trained_with_is_refused(
    make_case: Callable[..., Case], tiny: Profile, change: dict[str, Any]
) -> None:
    """Given, or that of the network."""
    bad, own = replace(tiny, **change), Constant(0.0, 1.0, 0.0)
    own.profile = bad
    for models, profile in ((KIDNEY, bad), (own, None)):
        with pytest.raises(InputError, match=f"a profile's {next(iter(change))} cannot be"):
            predict(models, make_case(), profile)


def test_padding_of_an_array_is_air_too(make_case: Callable[..., Case], tiny: Profile) -> None:
    """As of a file: networks would take it for tissue. What a caller gave stays as it was."""
    model, case = build_model("unet3d", width=2, poolings=1), make_case()
    assert case.image is not None
    air, padded = case.image.copy(), case.image.copy()
    air[:, :4], padded[:, :4] = -1024, 500
    with pytest.warns(InputNote, match="case_00000 has the value 500 round its field of view"):
        found = predict(model, replace(case, image=padded), tiny, clean=False)
    np.testing.assert_array_equal(found, predict(model, replace(case, image=air), tiny, clean=False))
    assert (padded[:, :4] == 500).all()


def test_networks_of_different_poolings_vote(make_case: Callable[..., Case], tiny: Profile) -> None:
    """Their sizes must be multiples of 2 and of 3: of 6."""
    models = [build_model("unet3d", width=2, poolings=1, pool=(1, side, side)) for side in (2, 3)]
    assert predict(models, make_case(), tiny).shape == make_case().shape
    assert predict((model for model in models), make_case(), tiny).shape == make_case().shape  # type: ignore[arg-type]


def test_tensors_lists_and_other_number_formats_are_as_good(make_case: Callable[..., Case], tiny: Profile) -> None:
    case = make_case()
    assert case.image is not None
    torch.manual_seed(0)
    model = build_model("unet3d", width=4, poolings=2)
    wanted = predict(model, case, tiny, device=torch.device("cpu"), clean=False)
    image, affine = torch.from_numpy(case.image), case.affine.tolist()
    for change in ({"image": image}, {"image": case.image.tolist()}, {"affine": affine, "spacing": [10, 8, 8]}):
        np.testing.assert_array_equal(predict(model, replace(case, **change), tiny, clean=False), wanted)
    for kind in (torch.float64, torch.bfloat16, torch.float16):
        found = predict(copy.deepcopy(model).to(kind), case, tiny, clean=False)
        assert (found == wanted).mean() > 0.9
    with torch.autocast("cpu", torch.bfloat16):
        assert (predict(model, case, tiny, clean=False) == wanted).mean() > 0.9
