"""Every network by its name: the five that vote, their variants for the ablation, and the peers beside them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from kits_msan.errors import check_choice
from kits_msan.networks.layers import Network
from kits_msan.networks.msan import MSAN, UNet3D
from kits_msan.networks.peers import PEERS

MODELS: dict[str, Callable[..., UNet3D]] = {  # the five that vote; paper, section 3.1
    "unet3d": UNet3D,
    "msan_v1": MSAN,
    "msan_v1_ds": partial(MSAN, deep_supervision=True),
    "msan_v2": partial(MSAN, res2net=True),
    "msan_v2_ds": partial(MSAN, res2net=True, deep_supervision=True),
}
VARIANTS: dict[str, Callable[..., UNet3D]] = {  # other readings and settings of the parts, for the ablation
    "msan_v1_finer": partial(MSAN, reading="finer"),
    "msan_v1_all": partial(MSAN, reading="all"),
    "msan_v2_scale1": partial(MSAN, res2net=True, scale=1),
    "msan_v2_scale8": partial(MSAN, res2net=True, scale=8),
    "msan_v2_ds_weight0.2": partial(MSAN, res2net=True, deep_supervision=True, supervision_weight=0.2),
    "msan_v2_ds_weight1.0": partial(MSAN, res2net=True, deep_supervision=True, supervision_weight=1.0),
}
TITLES = {
    "unet3d": "3D U-Net",
    "msan_v1": "MSAN-V1",
    "msan_v1_ds": "MSAN-V1 + DS",
    "msan_v2": "MSAN-V2",
    "msan_v2_ds": "MSAN-V2 + DS",
    "ensemble": "Ensemble",
    "dynunet": "DynUNet (MONAI)",
    "segresnet": "SegResNet (MONAI)",
    "msan_v1_finer": "MSAN-V1, finer neighbor only",
    "msan_v1_all": "MSAN-V1, all scales",
    "msan_v2_scale1": "MSAN-V2, Res2Net scale 1",
    "msan_v2_scale8": "MSAN-V2, Res2Net scale 8",
    "msan_v2_ds_weight0.2": "MSAN-V2 + DS, weight 0.2",
    "msan_v2_ds_weight1.0": "MSAN-V2 + DS, weight 1.0",
}


def build_model(name: str, **sizes: Any) -> Network:
    """One of MODELS, VARIANTS or PEERS with fresh weights; in eval mode `model(x)` gives logits (N, 3, D, H, W).

    sizes: `width`, `poolings`, `pool`; for an MSAN also `reading`, `scale` and `supervision_weight`. Defaults are
    the paper profile's.
    Raises InputError for an unknown name, ValueError for sizes that do not fit together.
    """
    known = known_models()
    check_choice("model", name, known)
    return known[name](**sizes)


def known_models() -> dict[str, Callable[..., Network]]:
    """MODELS, VARIANTS and PEERS, as they are now: a session can add its own to the first."""
    return {**MODELS, **VARIANTS, **PEERS}
