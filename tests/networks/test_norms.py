from collections.abc import Iterator

import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor, nn

from kits_msan.networks.norms import InstanceNorm
from kits_msan.networks.registry import MODELS, build_model


def pair(channels: int) -> tuple[InstanceNorm, nn.InstanceNorm3d]:
    ours, theirs = InstanceNorm(channels, affine=True), nn.InstanceNorm3d(channels, affine=True)
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    "shape", [(1, 3, 4, 8, 8), (2, 4, 4, 12, 10), (4, 8, 2, 6, 6), (1, 80, 1, 4, 4), (2, 5, 3, 7, 5)]
)
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], last: bool) -> None:
    ours, theirs = pair(shape[1])
    x = 3 * torch.randn(shape) + 5
    x = x.to(memory_format=torch.channels_last_3d) if last else x
    results = []
    for norm, given in ((ours, x.requires_grad_()), (theirs.double(), x.detach().double().requires_grad_())):
        y = norm(given)
        (y * torch.linspace(0, 1, y.numel()).reshape(shape)).sum().backward()
        results.append((y, given.grad, norm.weight.grad, norm.bias.grad))
    for mine, exact, within in zip(*results, (1e-5, 1e-5, 1e-3, 1e-3), strict=True):  # the last two are large sums
        torch.testing.assert_close(mine, exact, atol=within, rtol=1e-5, check_dtype=False)
    assert results[0][0].is_contiguous(memory_format=torch.channels_last_3d)


def mostly_padding(channels: int, edge: int) -> Tensor:
    """A slab whose voxels are nearly all alike, far from zero: what an exact sum is needed for."""
    x = torch.full((1, channels, 4, edge, edge), 0.7)
    x[..., :8, :8] += torch.randn(1, channels, 4, 8, 8)
    return x.to(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("channels", [8, 32])
def test_sums_over_a_slab_of_padding_are_exact(channels: int) -> None:
    ours, theirs = pair(channels)
    x = mostly_padding(channels, 128)
    with torch.no_grad():
        exact = theirs.double()(x.double())
        error = (ours(x) - exact).abs().max() / exact.abs().max()
    assert error < 1e-6  # a batch norm of the sample: 1e-4, and 1e-2 on slabs of 512 x 512


def test_values_are_the_same_with_any_number_of_threads() -> None:
    norm, _ = pair(8)
    x = torch.randn(2, 8, 4, 96, 96).to(memory_format=torch.channels_last_3d)
    found: list[list[Tensor]] = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        given = x.clone().requires_grad_()
        y = norm(given)
        found.append([y, *torch.autograd.grad(y.square().sum(), given)])
    for y, gradient in found[1:]:
        assert torch.equal(y, found[0][0])
        assert torch.equal(gradient, found[0][1])


def test_half_precision_keeps_type_and_memory_order() -> None:
    ours, theirs = pair(4)
    x = torch.randn(2, 4, 4, 8, 8).to(memory_format=torch.channels_last_3d)
    y = ours(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(y.float(), theirs(x), atol=0.1, rtol=0.05)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_one_sample_has_the_gradients_of_the_same_twice(name: str, half: bool) -> None:
    """PyTorch's instance normalization gives wrong ones for a batch of one in this memory order."""
    network = build_model(name, width=4, poolings=2).to(memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    x = torch.rand(1, 1, 4, 16, 16)
    found = []
    for given in (x, x.repeat(2, 1, 1, 1, 1)):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = network(given.to(memory_format=torch.channels_last_3d))
        logits = torch.stack(output) if isinstance(output, list) else output
        gradients = torch.autograd.grad(logits.float().square().mean(), learned)
        found.append(torch.cat([gradient.flatten() for gradient in gradients]))
    one, two = found
    assert (one - two).norm() < (0.05 if half else 1e-4) * two.norm()


def test_one_voxel_is_refused_as_by_torch() -> None:
    ours, theirs = pair(4)
    for norm in (ours, theirs):
        with pytest.raises(ValueError, match="more than 1"):
            norm(torch.zeros(1, 4, 1, 1, 1))


@pytest.mark.parametrize("name", ["unet3d", "msan_v2"])
def test_networks_learn_from_tensors_of_monai(name: str) -> None:
    network = build_model(name, width=4, poolings=2)
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    x = torch.rand(1, 1, 4, 16, 16)
    found = []
    for given in (x, MetaTensor(x)):
        loss = network(given).square().mean()
        found.append([Tensor(part) for part in torch.autograd.grad(loss, learned)])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-4)


def test_second_derivatives_are_refused() -> None:
    norm, _ = pair(4)
    x = torch.randn(1, 4, 2, 4, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"has no second derivatives; nn\.InstanceNorm3d has"):
        torch.autograd.grad(norm(x).square().sum(), x, create_graph=True)


def test_a_batch_of_one_in_bfloat16_needs_no_gradient() -> None:
    with torch.no_grad():
        assert InstanceNorm(4, affine=True).bfloat16()(torch.rand(1, 4, 2, 4, 4).bfloat16()).isfinite().all()
