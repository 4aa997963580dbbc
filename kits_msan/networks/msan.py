"""The networks of the paper: a 3D U-Net, and the MSAN that adds attention, Res2Net and deep supervision to it.

Read `UNet3D.forward` first; `MSAN.forward` is the same walk with the three additions marked `# V1`, `# V2`, `# DS`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kits_msan.networks.layers import (
    CLASS_COUNT,
    SUPERVISION_WEIGHT,
    ConvBlock,
    MultiScaleAttention,
    Network,
    Res2NetBlock,
    interpolate,
    start_at_prior,
)


class UNet3D(Network):
    """3D U-Net (Çiçek et al. 2016): (N, 1, D, H, W) CT scaled to 0..1 -> logits (N, 3, D, H, W).

    width: channels at the finest scale, doubled at each pooling.
    poolings: number of poolings; there are poolings + 1 scales.
    pool: the pooling's size in (slices, rows, columns). In-plane only is our choice: a slab has 4 slices, about as
    thick as 4 pixels are wide.
    Raises ValueError, before any work, for an input whose size does not fit.
    """

    def __init__(self, width: int = 32, poolings: int = 4, pool: tuple[int, int, int] = (1, 2, 2)) -> None:
        super().__init__(width, poolings, pool)
        self.pool = pool
        self.channels = [width * 2**level for level in range(poolings + 1)]  # finest first
        self.encoder = nn.ModuleList(
            ConvBlock(1 if level == 0 else self.channels[level - 1], self.channels[level])
            for level in range(poolings)
        )
        self.bottom = ConvBlock(self.channels[-2], self.channels[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(self.channels[level + 1], self.channels[level], self.pool, stride=self.pool)
            for level in range(poolings)
        )
        self.decoder = nn.ModuleList(
            ConvBlock(2 * self.channels[level], self.channels[level]) for level in range(poolings)
        )
        self.head = _head(self.channels[0])

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        self._check(x)
        features = []  # F_0 (finest) to F_{n-1}: what the skip connections carry
        for block in self.encoder:
            x = block(x)  # (N, C/2, D, H, W) -> (N, C, D, H, W)
            features.append(x)
            x = F.max_pool3d(x, self.pool)  # (N, C, D, H, W) -> (N, C, D, H/2, W/2)
        x = self.bottom(x)  # (N, C, D, h, w) -> (N, 2C, D, h, w)
        return self._decode(x, features)

    def _decode(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in reversed(range(len(skips))):
            x = self.up[level](x)  # (N, 2C, D, H/2, W/2) -> (N, C, D, H, W)
            x = torch.cat([skips.pop(), x], dim=1)  # -> (N, 2C, D, H, W)
            x = self.decoder[level](x)  # -> (N, C, D, H, W)
        return self.head(x)  # (N, width, D, H, W) -> (N, 3, D, H, W)


class MSAN(UNet3D):
    """The multi-scale attention network (paper, section 2.2): the U-Net above with enhanced skip connections.

    res2net: MSAN-V2's Res2Net block parallel to the bottom branch, split in `scale` groups.
    deep_supervision: in training mode return a list of logits, the output first, then one per supervised pooling
    (the encoder's last two), all (N, 3, D, H, W). In eval mode the output alone. The heads are always there, so
    that weights load with or without it.
    supervision_weight: of the heads' loss beside the output's, see `DeepSupervisionLoss`; our choice.
    reading: see `MultiScaleAttention`.
    """

    def __init__(
        self,
        width: int = 32,
        poolings: int = 4,
        pool: tuple[int, int, int] = (1, 2, 2),
        res2net: bool = False,
        deep_supervision: bool = False,
        reading: str = "neighbors",
        scale: int = 4,
        supervision_weight: float = SUPERVISION_WEIGHT,
    ) -> None:
        super().__init__(width, poolings, pool)
        self.config |= {"reading": reading, "scale": scale, "supervision_weight": supervision_weight}
        self.deep_supervision = deep_supervision
        self.supervision_weight = supervision_weight
        self.attention = MultiScaleAttention(self.channels, reading)
        self.res2net = Res2NetBlock(self.channels[-2], self.channels[-1], scale) if res2net else None
        self.aux_heads = nn.ModuleList(_head(channels) for channels in self.channels[-3:-1])
        self.aux_heads.requires_grad_(deep_supervision)  # several processes wait for every gradient that is due

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:  # type: ignore[override]  # noqa: D102
        self._check(x)
        size = x.shape[2:]
        features, pooled = self._encode(x)
        bottom, skips = features[-1], self.attention(features)  # V1: shapes as features[:-1]
        del features  # the finest maps are large, and only their enhanced copies are needed from here
        logits = self._decode(bottom, skips)
        if not (self.training and self.deep_supervision):
            return logits
        aux = [  # DS: (N, C, D, h, w) -> (N, 3, D, h, w) -> (N, 3, D, H, W)
            interpolate(head(x).float(), size) for head, x in zip(self.aux_heads, pooled, strict=True)
        ]
        return [logits, *aux]

    def attention_weights(self, x: Tensor) -> list[Tensor]:
        """The weights W_i of every level for an input (N, 1, D, H, W): each (N, C_i, D, H_i, W_i), 0 to 1."""
        self._check(x)
        return self.attention.weights(self._encode(x)[0])

    def _encode(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """F_0 to F_n with the bottom, and the outputs of the last two poolings."""
        features, pooled = [], []
        for block in self.encoder:
            x = block(x)  # (N, C/2, D, H, W) -> (N, C, D, H, W)
            features.append(x)
            x = F.max_pool3d(x, self.pool)  # (N, C, D, H, W) -> (N, C, D, H/2, W/2)
            pooled.append(x)
        bottom = self.bottom(x)  # (N, C, D, h, w) -> (N, 2C, D, h, w)
        if self.res2net is not None:
            bottom = bottom + self.res2net(x)  # V2: a second branch from the same maps
        return [*features, bottom], pooled[-2:]


def _head(channels: int) -> nn.Conv3d:
    """1x1x1 convolution to logits."""
    return start_at_prior(nn.Conv3d(channels, CLASS_COUNT, kernel_size=1))
