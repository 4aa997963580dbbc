from typing import Any

import pytest
import torch
from torch import Tensor

from kits_msan.errors import InputError
from kits_msan.networks.layers import PRIOR
from kits_msan.networks.msan import MSAN, UNet3D
from kits_msan.networks.peers import PEERS
from kits_msan.networks.registry import MODELS, TITLES, VARIANTS, build_model

MSANS = [name for name in MODELS if name != "unet3d"]
SMALL: dict[str, Any] = {"width": 4, "poolings": 2}


def block(channels_in: int, channels_out: int) -> int:
    """Two 3x3x3 convolutions without bias, each with a normalization's scale and shift."""
    return 27 * channels_in * channels_out + 27 * channels_out**2 + 4 * channels_out


def unet_parameters(width: int, poolings: int) -> int:
    c = [width * 2**level for level in range(poolings + 1)]
    encoder = block(1, c[0]) + sum(block(c[i - 1], c[i]) for i in range(1, poolings + 1))
    decoder = sum(4 * c[i + 1] * c[i] + c[i] + block(2 * c[i], c[i]) for i in range(poolings))
    return encoder + decoder + 3 * c[0] + 3


def test_the_five_models_of_the_paper() -> None:
    assert list(MODELS) == ["unet3d", "msan_v1", "msan_v1_ds", "msan_v2", "msan_v2_ds"]
    assert list(TITLES) == [*MODELS, "ensemble", *PEERS, *VARIANTS]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_one_setting_of_its_base(name: str) -> None:
    base = next(base for base in sorted(MODELS, key=len, reverse=True) if name.startswith(f"{base}_"))
    theirs, ours = build_model(base, width=4, poolings=2), build_model(name, width=4, poolings=2)
    changed = {key: value for key, value in ours.config.items() if theirs.config[key] != value}
    assert len(changed) == 1
    assert str(*changed.values()) == name.removeprefix(f"{base}_").removeprefix("scale").removeprefix("weight")
    assert isinstance(ours, MSAN)
    assert isinstance(theirs, MSAN)
    assert (ours.res2net is None, ours.deep_supervision) == (theirs.res2net is None, theirs.deep_supervision)


@pytest.mark.parametrize(
    ("sizes", "shape_in", "shape_out"),
    [
        (SMALL, (1, 1, 4, 16, 16), (1, 3, 4, 16, 16)),
        (SMALL, (2, 1, 1, 8, 12), (2, 3, 1, 8, 12)),
        ({"width": 8, "poolings": 3}, (1, 1, 4, 16, 24), (1, 3, 4, 16, 24)),
        ({"width": 4, "poolings": 1}, (1, 1, 3, 6, 10), (1, 3, 3, 6, 10)),
        ({"width": 4, "poolings": 2, "pool": (2, 2, 2)}, (1, 1, 4, 8, 8), (1, 3, 4, 8, 8)),
        ({"width": 2, "poolings": 2, "pool": (1, 2, 3)}, (1, 1, 2, 8, 9), (1, 3, 2, 8, 9)),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_shapes(name: str, sizes: dict[str, Any], shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> None:
    model = build_model(name, **sizes).eval()
    pool = sizes.get("pool", (1, 2, 2))
    assert model.multiple == tuple(step ** sizes["poolings"] for step in pool)
    with torch.no_grad():
        out = model(torch.rand(shape_in))
    assert isinstance(out, Tensor)
    assert out.shape == shape_out
    assert out.isfinite().all()


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        (SMALL, (1, 1, 16, 16)),
        (SMALL, (1, 2, 4, 16, 16)),
        (SMALL, (1, 1, 4, 16, 18)),
        (SMALL, (1, 1, 4, 15, 16)),
        (SMALL, (1, 1, 0, 16, 16)),
        (SMALL, (1, 1, 4, 0, 16)),
        ({**SMALL, "pool": (2, 2, 2)}, (1, 1, 2, 16, 16)),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_input_that_does_not_fit_is_refused(name: str, sizes: dict[str, Any], shape: tuple[int, ...]) -> None:
    model = build_model(name, **sizes)
    with pytest.raises(ValueError, match=r"expected an input of shape|must be multiples of"):
        model(torch.zeros(shape))
    if isinstance(model, MSAN):
        with pytest.raises(ValueError, match=r"expected an input of shape|must be multiples of"):
            model.attention_weights(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        *[(name, {"width": 0}, ValueError, "width 0 .* at least 1") for name in MODELS],
        *[(name, {"poolings": 0}, ValueError, "poolings 0 .* at least 1") for name in MODELS],
        *[
            ("unet3d", {"pool": pool}, ValueError, "three whole numbers of at least 1")
            for pool in ((1, 2), 2, (-1, 2, 2), (0, 2, 2), (1, 2, 2.5))
        ],
        *[(name, {**SMALL, "reading": "coarser"}, ValueError, "unknown reading 'coarser'") for name in MSANS],
        *[
            (name, {**SMALL, "scale": 3}, ValueError, "16 channels .* 3 equal groups")
            for name in MSANS
            if "2" in name
        ],
        ("unet3d", {**SMALL, "reading": "all"}, TypeError, "reading"),
        ("unet", {}, InputError, "unknown model 'unet'; choose one of unet3d, msan_v1"),
        ("ensemble", {}, InputError, "unknown model 'ensemble'"),
    ],
)
def test_bad_arguments_are_refused(
    name: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_model(name, **arguments)


@pytest.mark.parametrize(
    ("name", "laptop", "paper"),
    [
        ("unet3d", 340_075, 21_882_019),
        ("msan_v1", 343_553, 22_100_265),
        ("msan_v1_ds", 343_553, 22_100_265),
        ("msan_v2", 372_961, 23_955_497),
        ("msan_v2_ds", 372_961, 23_955_497),
    ],
)
def test_number_of_parameters(name: str, laptop: int, paper: int) -> None:
    for (width, poolings), expected in {(8, 3): laptop, (32, 4): paper}.items():
        with torch.device("meta"):
            model = build_model(name, width=width, poolings=poolings)
        c = [width * 2**level for level in range(poolings + 1)]
        assert sum(p.numel() for p in model.parameters()) == expected
        by_hand = unet_parameters(width, poolings)
        if name != "unet3d":
            attention = [c[i] * c[j] for i in range(poolings) for j in (i - 1, i + 1) if j >= 0]
            by_hand += sum(attention) + sum(3 * n + 3 for n in c[-3:-1])
        if "v2" in name:  # two 1x1x1 and a shortcut, three 3x3x3 on a quarter of the channels, six normalizations
            n = c[-1]
            by_hand += 2 * c[-2] * n + n * n + 3 * 27 * (n // 4) ** 2 + 3 * 2 * n + 3 * 2 * (n // 4)
        assert expected == by_hand


def test_defaults_are_the_papers_profile() -> None:
    with torch.device("meta"):
        assert build_model("msan_v2").config == {
            "width": 32, "poolings": 4, "pool": [1, 2, 2], "reading": "neighbors", "scale": 4,
        "supervision_weight": 0.4,
        }  # fmt: skip


def test_v2_has_a_second_bottom_branch_and_v1_has_not() -> None:
    assert build_model("msan_v1", **SMALL).res2net is None
    torch.manual_seed(0)
    model = build_model("msan_v2", **SMALL).eval()
    assert isinstance(model, MSAN)
    assert model.res2net is not None
    bottoms: list[Tensor] = []
    model.attention.register_forward_pre_hook(lambda _, inputs: bottoms.append(inputs[0][-1]))
    parts: list[Tensor] = []
    model.bottom.register_forward_hook(lambda *hook: parts.append(hook[-1]))
    model.res2net.register_forward_hook(lambda *hook: parts.append(hook[-1]))
    model(torch.rand(1, 1, 2, 8, 8))
    torch.testing.assert_close(bottoms[0], parts[0] + parts[1])


def test_attention_weights_multiply_what_the_decoder_gets() -> None:
    torch.manual_seed(0)
    model = build_model("msan_v1", **SMALL).eval()
    assert isinstance(model, MSAN)
    taken: dict[int, Tensor] = {}
    for level in range(2):
        model.decoder[level].register_forward_pre_hook(
            lambda _, inputs, level=level: taken.update({level: inputs[0]})
        )
    features: list[Tensor] = []
    model.attention.register_forward_pre_hook(lambda _, inputs: features.extend(inputs[0]))
    x = torch.rand(1, 1, 4, 8, 8)
    model(x)
    for level, weight in enumerate(model.attention_weights(x)):
        skip = taken[level][:, : model.channels[level]]
        torch.testing.assert_close(skip, features[level] * weight)


def test_same_seed_same_weights() -> None:
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(build_model("msan_v2_ds", **SMALL).state_dict())
    first, same, other = models
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", MODELS)
def test_training_starts_from_the_classes_prior(name: str) -> None:
    model = build_model(name, **SMALL)
    heads = [model.head, *getattr(model, "aux_heads", [])]
    for head in heads:
        torch.testing.assert_close(head.bias.softmax(0), torch.tensor(PRIOR))
    assert sum(PRIOR) == pytest.approx(1)
    assert PRIOR[0] > 0.95  # most of an abdomen is neither kidney nor tumor


def test_unet_carries_its_features_over_unchanged() -> None:
    torch.manual_seed(0)
    model = UNet3D(**SMALL).eval()
    out: list[Tensor] = []
    into: list[Tensor] = []
    model.encoder[0].register_forward_hook(lambda *hook: out.append(hook[-1]))
    model.decoder[0].register_forward_pre_hook(lambda _, inputs: into.append(inputs[0]))
    model(torch.rand(1, 1, 2, 8, 8))
    assert torch.equal(into[0][:, :4], out[0])
