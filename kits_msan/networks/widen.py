"""A wider network that begins as a narrower one: it gives the same output, and has room to learn more.

After Chen et al. 2016, "Net2Net". Theirs copies channels; ours adds fresh ones, which nothing listens to yet.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kits_msan.networks.layers import Network


def widen(narrow: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """The weights of `network` that hold a narrower one of the same kind: same output, to rounding.

    narrow: the state of a network of the same name and settings but `width`. `network` keeps its fresh weights where
    they compute channels that the narrow one has not; what leads from these to the old channels is zero.
    Raises ValueError where the narrow one is of another kind, or not narrower.
    """
    wide = {name: value.clone() for name, value in network.state_dict().items()}
    if wide.keys() != narrow.keys():
        raise ValueError("other layers")
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            _widen_weight(wide[f"{name}.weight"], narrow[f"{name}.weight"], module, *_groups(network, name))
            if module.bias is not None:
                old = narrow[f"{name}.bias"]
                wide[f"{name}.bias"][: len(old)] = old
        elif isinstance(module, nn.InstanceNorm3d):
            for kind in ("weight", "bias"):
                old, new = narrow[f"{name}.{kind}"], wide[f"{name}.{kind}"]
                new[_places(len(old), len(new), _groups(network, name)[0])] = old
    return wide


def _widen_weight(
    wide: Tensor, narrow: Tensor, module: nn.Conv3d | nn.ConvTranspose3d, groups_out: int, groups_in: int
) -> None:
    if isinstance(module, nn.ConvTranspose3d):  # whose weight is (C_in, C_out, ...)
        wide, narrow = wide.transpose(0, 1), narrow.transpose(0, 1)
    if wide.shape[2:] != narrow.shape[2:] or any(b < a for a, b in zip(narrow.shape, wide.shape, strict=True)):
        raise ValueError("other sizes")
    rows = _places(narrow.shape[0], wide.shape[0], groups_out)
    columns = _places(narrow.shape[1], wide.shape[1], groups_in)
    wide[rows] = 0
    wide[rows[:, None], columns] = narrow


def _groups(network: Network, name: str) -> tuple[int, int]:
    """In how many equal parts a layer's channels, out and in, are joined or will be split."""
    kind, _, rest = name.partition(".")
    if kind == "decoder" and rest.endswith("first.0"):  # reads the skip connection's channels, then those from below
        return 1, 2
    if kind == "res2net" and rest.startswith("reduce"):
        return network.config["scale"], 1
    if kind == "res2net" and rest.startswith("expand.0"):
        return 1, network.config["scale"]
    return 1, 1


def _places(narrow: int, wide: int, groups: int) -> Tensor:
    """Where the channels of a narrow map lie in a wide one: at the beginning of each group."""
    if narrow % groups or wide % groups or narrow > wide:
        raise ValueError("other sizes")
    first = torch.arange(narrow // groups)
    return torch.cat([first + group * (wide // groups) for group in range(groups)])
