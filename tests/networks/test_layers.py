from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from kits_msan.networks.layers import ConvBlock, MultiScaleAttention, Res2NetBlock, interpolate, resize_to


def maps(*values: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    """One slice, one sample, a channel for each (rows of) values: (1, C, 1, H, W)."""
    return torch.tensor(values, dtype=torch.float32)[None, :, None]


def set_weights(layer: MultiScaleAttention, **weights: float | list[float]) -> None:
    """`from0to1=0.5` sets the projection of level 0 to level 1, which has one output channel."""
    for name, value in weights.items():
        source, target = name.removeprefix("from").split("to")
        conv = layer.project[f"{source}_to_{target}"]
        assert isinstance(conv, nn.Conv3d)
        with torch.no_grad():
            conv.weight.copy_(torch.tensor(value).reshape(conv.weight.shape))


# F_0 (4x4), F_1 (2x2), F_2 (1x1), one channel each. Their meeting at level 1:
#   F_0 max-pooled [[2, 2], [6, -2]], projected by 0.5:  [[1, 1], [3, -1]]
#   F_2 upsampled  [[2, 2], [2,  2]], projected by -1:   [[-2, -2], [-2, -2]]
THREE_LEVELS = [
    maps([[2, 0, 1, 2], [-1, 1, 0, -3], [6, 5, -2, -4], [0, 1, -3, -5]]),
    maps([[1, 2], [-2, 5]]),
    maps([[2]]),
]


def test_attention_at_a_middle_level_by_hand() -> None:
    layer = MultiScaleAttention([1, 1, 1])
    set_weights(layer, from0to1=0.5, from2to1=-1.0)
    weights = layer.weights(THREE_LEVELS)[1]
    # S_1 = [[1 + 1 - 2, 2 + 1 - 2], [-2 + 3 - 2, 5 - 1 - 2]] = [[0, 1], [-1, 2]]
    torch.testing.assert_close(weights, maps([[0.5, 0.7310586], [0.2689414, 0.8807971]]))
    # F_1 * W_1 = [[1 * 0.5, 2 * 0.731], [-2 * 0.269, 5 * 0.881]]
    torch.testing.assert_close(layer(THREE_LEVELS)[1], maps([[0.5, 1.4621172], [-0.5378828, 4.4039854]]))


def test_attention_from_the_finer_level_alone_by_hand() -> None:
    layer = MultiScaleAttention([1, 1, 1], reading="finer")
    set_weights(layer, from0to1=0.5)
    # S_0 = F_0;  S_1 = [[1 + 1, 2 + 1], [-2 + 3, 5 - 1]] = [[2, 3], [1, 4]]
    first, second = layer.weights(THREE_LEVELS)
    torch.testing.assert_close(first, THREE_LEVELS[0].sigmoid())
    torch.testing.assert_close(second, maps([[0.8807971, 0.9525741], [0.7310586, 0.9820138]]))


def test_attention_from_all_levels_by_hand() -> None:
    layer = MultiScaleAttention([1, 1, 1], reading="all")
    set_weights(layer, from1to0=0.0, from2to0=-1.0, from0to1=0.5, from2to1=-1.0)
    # S_0 = F_0 + 0 - 2, in its first row 0, -2, -1, 0
    first, second = layer.weights(THREE_LEVELS)
    torch.testing.assert_close(first[0, 0, 0, 0], torch.tensor([0.5, 0.1192029, 0.2689414, 0.5]))
    torch.testing.assert_close(second, maps([[0.5, 0.7310586], [0.2689414, 0.8807971]]))


def test_attention_projects_the_channels_of_a_coarser_level() -> None:
    layer = MultiScaleAttention([1, 2])
    set_weights(layer, from1to0=[1.0, 2.0])
    fine, coarse = maps([[-1, 0], [1, 2]]), maps([[3]], [[-1]])
    # P(F_1) = 1 * 3 + 2 * -1 = 1;  S_0 = [[0, 1], [2, 3]]
    [out] = layer([fine, coarse])
    torch.testing.assert_close(out, maps([[-0.5, 0.0], [0.8807971, 1.9051483]]))


@pytest.mark.parametrize(
    ("reading", "connections"),
    [
        ("neighbors", {"1_to_0", "0_to_1", "2_to_1", "1_to_2", "3_to_2"}),
        ("finer", {"0_to_1", "1_to_2"}),
        ("all", {f"{j}_to_{i}" for i in range(3) for j in range(4) if i != j}),
    ],
)
def test_which_levels_a_reading_adds(reading: str, connections: set[str]) -> None:
    layer = MultiScaleAttention([2, 4, 8, 16], reading)
    assert set(layer.project) == connections
    for name, conv in layer.project.items():
        source, target = map(int, name.split("_to_"))
        assert conv.weight.shape == (2 ** (target + 1), 2 ** (source + 1), 1, 1, 1)


@pytest.mark.parametrize("reading", ["neighbors", "finer", "all"])
def test_enhanced_maps_have_the_shapes_of_the_encoders(reading: str) -> None:
    features = [torch.randn(2, 4 * 2**i, 3, 16 // 2**i, 8 // 2**i) for i in range(4)]
    layer = MultiScaleAttention([4, 8, 16, 32], reading)
    out = layer(features)
    assert [m.shape for m in out] == [m.shape for m in features[:-1]]
    for enhanced, feature, weight in zip(out, features, layer.weights(features), strict=False):
        assert 0 <= weight.min() < weight.max() <= 1
        torch.testing.assert_close(enhanced, feature * weight)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([4, 8], "coarser"), "unknown reading 'coarser'; choose one of neighbors, finer, all"),
        (([4],), "at least two levels"),
        (([],), "at least two levels"),
    ],
)
def test_attention_refuses(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiScaleAttention(*arguments)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def test_res2net_order_by_hand() -> None:
    block = Res2NetBlock(4, 4, scale=4)
    block.reduce = block.expand = nn.Sequential()
    block.convs = nn.ModuleList([Times(10), Times(100), Times(1000)])  # K_2, K_3, K_4
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1, 1)
    # y_1 = 1;  y_2 = 10 * 2 = 20;  y_3 = 100 * (3 + 20) = 2300;  y_4 = 1000 * (4 + 2300) = 2304000;  residual: + x
    assert block(x).flatten().tolist() == [2, 22, 2303, 2304004]


def test_res2net_of_scale_one_is_the_plain_bottleneck() -> None:
    block = Res2NetBlock(2, 2, scale=1)
    block.reduce = block.expand = nn.Sequential()
    block.convs = nn.ModuleList([Times(10)])
    assert block(torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1)).flatten().tolist() == [11, 22]


def test_res2net_groups_see_themselves_and_the_ones_before() -> None:
    torch.manual_seed(0)
    block = Res2NetBlock(8, 8, scale=4)
    block.reduce = block.expand = nn.Sequential()
    block.shortcut = nn.Sequential(Times(0))
    x = torch.rand(1, 8, 2, 4, 4)
    plain = block(x)
    sees = torch.zeros(4, 4, dtype=torch.int)
    for changed in range(4):
        other = x.clone()
        other[:, 2 * changed : 2 * changed + 2] = torch.rand(1, 2, 2, 4, 4)
        difference = (block(other) - plain).abs().amax((0, 2, 3, 4)).reshape(4, 2).amax(1)
        sees[:, changed] = (difference > 1e-6).int()
    assert sees.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def test_res2net_adds_its_input_before_the_last_relu() -> None:
    block = Res2NetBlock(4, 4)
    block.expand = nn.Sequential(Times(0))
    x = torch.tensor([-1.0, 2.0, 0.0, 3.0]).reshape(1, 4, 1, 1, 1).expand(1, 4, 1, 2, 2)
    torch.testing.assert_close(block(x), x.relu())


@pytest.mark.parametrize(
    ("block", "shape_in", "shape_out"),
    [
        (ConvBlock(1, 6), (2, 1, 4, 8, 8), (2, 6, 4, 8, 8)),
        (ConvBlock(6, 3), (1, 6, 1, 5, 7), (1, 3, 1, 5, 7)),
        (Res2NetBlock(8, 8), (2, 8, 4, 6, 6), (2, 8, 4, 6, 6)),
        (Res2NetBlock(8, 16), (1, 8, 4, 5, 7), (1, 16, 4, 5, 7)),
        (Res2NetBlock(6, 9, scale=3), (1, 6, 2, 4, 4), (1, 9, 2, 4, 4)),
        (Res2NetBlock(6, 4, scale=1), (1, 6, 2, 4, 4), (1, 4, 2, 4, 4)),
    ],
)
def test_block_shapes(block: nn.Module, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> None:
    out = block(torch.randn(shape_in))
    assert out.shape == shape_out
    assert out.min() >= 0  # both end in a ReLU
    assert out.max() > 0


@pytest.mark.parametrize("arguments", [(8, 10, 4), (8, 8, 0), (8, 8, -1), (8, 2, 4)])
def test_res2net_refuses_groups_of_unequal_size(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"{arguments[1]} channels cannot be split in {arguments[2]} equal groups"):
        Res2NetBlock(*arguments)


def test_sample_does_not_depend_on_its_companions() -> None:
    torch.manual_seed(0)
    block = ConvBlock(1, 4).eval()
    x = torch.randn(3, 1, 2, 8, 8)
    torch.testing.assert_close(block(x)[1:2], block(x[1:2]))
    torch.testing.assert_close(block.train()(x)[1:2], block(x[1:2]))


@pytest.mark.parametrize(
    ("values", "grid", "out"),
    [
        ([[1, 2], [3, 4]], (2, 2), [[1, 2], [3, 4]]),
        ([[1, 5, 2, 0], [3, 4, -1, -2]], (1, 2), [[5, 2]]),  # finer: the largest, as in the encoder's pooling
        ([[0, 4]], (1, 4), [[0, 1, 3, 4]]),  # coarser: linear between centers
        ([[0], [4]], (4, 1), [[0], [1], [3], [4]]),
    ],
)
def test_resize_by_hand(values: list, grid: tuple[int, int], out: list) -> None:
    torch.testing.assert_close(resize_to(maps(values), torch.zeros(1, 1, 1, *grid)), maps(out))


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_resize_takes_the_largest_along_whichever_axis_was_pooled(axis: int) -> None:
    x = torch.tensor([1.0, 5.0, 2.0, 0.0]).reshape([4 if i == axis else 1 for i in range(5)])
    like = torch.zeros([2 if i == axis else 1 for i in range(5)])
    assert resize_to(x, like).flatten().tolist() == [5, 2]


def test_interpolation_between_slices_by_hand() -> None:
    x = torch.tensor([0.0, 4.0]).reshape(1, 1, 2, 1, 1)
    assert interpolate(x, (4, 1, 1)).flatten().tolist() == [0, 1, 3, 4]  # linear between centers


@pytest.mark.parametrize(("size", "grid"), [((6, 6), (4, 4)), ((8, 2), (2, 4))])
def test_resize_refuses_what_no_pooling_makes(size: tuple[int, int], grid: tuple[int, int]) -> None:
    """Of 6 x 6 it gave 6 x 6 for 4 x 4."""
    with pytest.raises(ValueError, match=r"a map of .* voxels is no multiple of .*; pad first"):
        resize_to(torch.zeros(1, 1, 1, *size), torch.zeros(1, 1, 1, *grid))
