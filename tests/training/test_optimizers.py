"""Muon: what it moves, how far, and in which direction."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from kits_msan.networks.registry import MODELS, build_model
from kits_msan.training.optimizers import HIDDEN, Muon, is_hidden, orthogonalize, orthogonalize_all


def with_gradients(model: nn.Module, size: float = 1.0) -> nn.Module:
    """Random gradients, the same for the same model."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.grad = size * torch.randn(parameter.shape, generator=generator)
    return model


def moved(model: nn.Module, before: nn.Module) -> dict[str, Tensor]:
    """How far each parameter has moved."""
    old = dict(before.named_parameters())
    return {name: (parameter - old[name]).detach() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("shape", [(8, 8), (8, 216), (64, 16), (5, 33)])
def test_orthogonalize_keeps_the_directions_and_evens_their_lengths(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.linspace(0.1, 3, shape[1]))
    result = orthogonalize(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    lengths = torch.linalg.svdvals(result)
    assert lengths.min() > 0.6
    assert lengths.max() < 1.3
    assert torch.allclose(u.T @ result @ v.T, torch.diag(torch.diag(u.T @ result @ v.T)), atol=1e-3)


def test_small_singular_values_are_not_brought_to_one() -> None:
    lengths = orthogonalize(torch.diag(torch.tensor([1.0, 0.3, 0.05, 0.003, 1e-4, 1e-5]))).diag()
    assert 0.68 < lengths[:4].min() < lengths[:4].max() < 1.21
    assert (lengths[4:] < 485 * torch.tensor([1e-4, 1e-5])).all()


def test_matrices_of_several_shapes_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    matrices = [torch.randn(shape) for shape in ((8, 33), (16, 8), (8, 8), (8, 33), (16, 50))]
    together = orthogonalize_all(matrices)
    for matrix, result in zip(matrices, together, strict=True):
        assert result.shape == matrix.shape
        assert torch.allclose(result, orthogonalize(matrix), atol=1e-5)


def test_iterating_on_the_squares_is_exact_enough() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(16, 216) * torch.logspace(-4, 0, 216)  # nearly singular
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):  # as published: Jordan et al. 2024
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    assert torch.allclose(orthogonalize(matrix).double(), x, atol=1e-3)


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert orthogonalize(torch.zeros(4, 9)).abs().max() == 0


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_a_hidden_weight_moves_by_a_fifth_of_the_rate_whatever_the_gradient(size: float) -> None:
    conv = with_gradients(nn.Conv3d(8, 16, 3, bias=False), size)
    before = deepcopy(conv)
    Muon(conv.parameters(), 0.01).step()
    step = moved(conv, before)["weight"]
    assert step.square().mean().sqrt() == pytest.approx(0.2 * 0.01, rel=0.2)


def test_two_steps_by_hand() -> None:
    conv, momentum = nn.Conv3d(8, 16, 1, bias=False), torch.zeros(16, 8)
    optimizer = Muon(conv.parameters(), 1.0, weight_decay=0.0)
    for gradient in torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0)):
        before, conv.weight.grad = conv.weight.detach().clone(), gradient.reshape(16, 8, 1, 1, 1).clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        ahead = 0.05 * gradient + 0.95 * momentum  # Nesterov's
    wanted = 0.2 * 16**0.5 * orthogonalize(ahead)
    torch.testing.assert_close((before - conv.weight).flatten(1), wanted, atol=1e-3, rtol=1e-3)


def test_the_decay_shrinks_a_hidden_weight() -> None:
    conv = nn.Conv3d(8, 8, 1, bias=False)
    conv.weight.grad = torch.zeros_like(conv.weight)
    before = conv.weight.detach().clone()
    Muon(conv.parameters(), 0.1, weight_decay=0.5).step()
    assert torch.allclose(conv.weight, before * 0.95)


def test_all_but_hidden_weights_move_as_adamw_moves_them() -> None:
    model = with_gradients(build_model("msan_v2_ds", width=8, poolings=2))
    other, before = with_gradients(deepcopy(model)), deepcopy(model)
    Muon(model.parameters(), 0.01, weight_decay=0.1).step()
    torch.optim.AdamW(other.parameters(), 0.01, weight_decay=0.1).step()
    ours, adam = moved(model, before), moved(other, before)
    hidden = {name for name, parameter in before.named_parameters() if is_hidden(parameter)}
    for name in ours:
        assert torch.allclose(ours[name], adam[name], atol=1e-7) == (name not in hidden), name


@pytest.mark.parametrize("name", MODELS)
def test_first_and_last_convolutions_are_not_hidden(name: str) -> None:
    model = build_model(name, width=HIDDEN, poolings=2)
    plain = {n for n, p in model.named_parameters() if p.ndim > 1 and not is_hidden(p)}
    assert plain == {n for n, p in model.named_parameters() if p.ndim > 1 and (p.shape[1] == 1 or p.shape[0] == 3)}
    assert plain
    assert any(is_hidden(parameter) for parameter in model.parameters())


def test_a_copy_that_loads_the_state_goes_on_alike() -> None:
    model = with_gradients(nn.Sequential(nn.Conv3d(1, 8, 3), nn.Conv3d(8, 8, 3)))
    optimizer = Muon(model.parameters(), 0.01)
    optimizer.step()
    copy = deepcopy(model)
    other = Muon(copy.parameters(), 0.01)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    for each, its in ((model, optimizer), (copy, other)):
        with_gradients(each, 2.0)
        its.step()
    for a, b in zip(model.parameters(), copy.parameters(), strict=True):
        assert torch.equal(a, b)
