"""Two well-kept networks of others to compare with: MONAI's `DynUNet` and `SegResNet`, behind our interface.

Both get our width, number of poolings, in-plane pooling and output prior, and are trained by the same loop. All of
it our choice; the paper compares with a 3D U-Net alone.
"""

import math
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from kits_msan.networks.layers import CLASS_COUNT, Network, start_at_prior


class Peer(Network):
    """A library's network: (N, 1, D, H, W) CT scaled to 0..1 -> logits (N, 3, D, H, W).

    make: one of the two functions below; width, poolings, pool: as in `UNet3D`.
    Raises ValueError for sizes below 1 and, before any work, for an input whose size does not fit.
    """

    def __init__(
        self,
        make: Callable[..., nn.Module],
        width: int = 32,
        poolings: int = 4,
        pool: tuple[int, int, int] = (1, 2, 2),
    ) -> None:
        super().__init__(width, poolings, pool)
        self.network = make(width, poolings, tuple(pool))
        # MONAI does not name the layer that gives the logits: it is the last that mixes channels alone, with a bias.
        layers = [m for m in self.network.modules() if isinstance(m, nn.Conv3d) and m.bias is not None]
        start_at_prior([m for m in layers if (m.out_channels, *m.kernel_size) == (CLASS_COUNT, 1, 1, 1)][-1])

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        self._check(x)
        return self.network(x)


def dynunet(width: int, poolings: int, pool: tuple[int, int, int]) -> nn.Module:
    """The architecture of nnU-Net (Isensee et al. 2021): strided convolutions for poolings, leaky ReLU.

    Without nnU-Net's deep supervision, since its counterpart is our plain U-Net. Raises ValueError for one pooling.
    """
    from monai.networks.nets import DynUNet  # takes seconds to import

    network = DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=CLASS_COUNT,
        kernel_size=[3] * (poolings + 1),
        strides=[1, *[pool] * poolings],
        upsample_kernel_size=[pool] * poolings,
        filters=[width * 2**level for level in range(poolings + 1)],
    )
    for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(network, name)  # `skip_layers` holds them too, and a checkpoint wants one name for each weight
    return network


def segresnet(width: int, poolings: int, pool: tuple[int, int, int]) -> nn.Module:
    """A residual encoder, heavier than the decoder (Myronenko 2018): 1, 2, ..., 2, 4 blocks down and 1 up a scale.

    MONAI's halves all three axes, which a slab of 4 slices allows twice only. Padding it in depth would double the
    work for nothing, and fewer poolings would see less: its strides are set to `pool` instead. Groups of the
    normalization are 8, as published, where the width allows it.
    """
    from monai.networks.nets import SegResNet  # takes seconds to import

    network = SegResNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=CLASS_COUNT,
        init_filters=width,
        norm=("GROUP", {"num_groups": math.gcd(8, width)}),
        blocks_down=(1, *[2] * (poolings - 1), 4),
        blocks_up=(1,) * poolings,
    )
    for module in network.modules():
        if isinstance(module, nn.Conv3d) and module.stride == (2, 2, 2):
            module.stride = pool
        elif isinstance(module, nn.Upsample):
            module.scale_factor = tuple(float(size) for size in pool)
    return network


PEERS: dict[str, Callable[..., Network]] = {"dynunet": partial(Peer, dynunet), "segresnet": partial(Peer, segresnet)}
