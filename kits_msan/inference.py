"""From a CT to labels: a volume through the networks slab by slab, their vote, and the clean-up."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from kits_msan.cleanup import keep_sure, remove_islands
from kits_msan.data.cases import Case, window
from kits_msan.data.resampling import LabelsOnGrid, resample_case
from kits_msan.devices import pick_device
from kits_msan.errors import InputError, millimeters
from kits_msan.formats.grids import AXES, checked_spacing, is_in_kits_order, spacing_of
from kits_msan.formats.hounsfield import check_hounsfield, clear_padding
from kits_msan.formats.nifti import as_array, as_whole
from kits_msan.networks.layers import CLASS_COUNT, Network
from kits_msan.profiles import Profile, checked_profile
from kits_msan.threads import Pieces
from kits_msan.vote import vote_scores

PIXELS = 2**18  # of the slabs that pass a network together: what bounds the memory
LONGER = 2  # slabs than in training: an organ's neighbors above and below tell it from a tumor
ROUNDING = 0.01  # by which a spacing may differ from that of the affine, as 0.78 from 0.7816
PIECES = Pieces()  # on a busy machine, fewer threads are faster


def predict(
    models: Network | Sequence[Network] | Mapping[str, Network],
    case: Case,
    profile: str | Profile | None = None,
    device: str | torch.device = "auto",
    clean: bool = True,
) -> NDArray[np.uint8]:
    """Segment a case with one network, or with several that vote: labels (D, H, W) on the case's own grid.

    profile: the spacing and slab to work at; by default those that the networks were trained with.
    clean: apply `keep_kidneys`. The networks are put in eval mode and moved to the device.
    Raises InputError for what is no case, for one whose image, axes, spacing or units are not as `Case` says, for
    what is no network or gives no class scores, for networks trained at different spacings, and for a profile that
    none could be trained with.
    """
    if isinstance(models, Mapping):
        models = list(models.values())
    several = isinstance(models, Iterable) and not isinstance(models, (str, Network))
    models = list(models) if several else [models]  # type: ignore[arg-type,list-item]
    [labels] = segment(models, case, lambda part, _: [vote_scores(part)], profile, device)
    (remove_islands if clean else keep_sure)(labels)
    return labels


def predict_each(
    models: Mapping[str, Network], case: Case, device: str | torch.device = "auto"
) -> dict[str, NDArray[np.uint8]]:
    """The labels of every network and of their vote ("ensemble"), in one pass; otherwise as `predict`."""
    found = segment(list(models.values()), case, lambda part, _: [*part, vote_scores(part)], device=device)
    for labels in found:
        remove_islands(labels)
    return dict(zip([*models, "ensemble"], found, strict=True))


def segment(
    models: Sequence[Network],
    case: Case,
    combine: Callable[[Tensor, int], Sequence[Tensor]],
    profile: str | Profile | None = None,
    device: str | torch.device = "auto",
) -> list[NDArray[np.uint8]]:
    """Labels on the case's own grid, one array (D, H, W) for each class score that `combine` makes.

    combine: from the networks' probabilities in some slices, (M, 3, d, H, W), and the number of the first of these
    slices at the networks' spacing, to scores, each (3, d, H, W). Tumor may be UNSURE, which `remove_islands` and
    `keep_sure` settle. Otherwise as `predict`.
    """
    if not models:
        raise InputError("there is no network to segment with; give one or more.")
    for model in models:
        if not isinstance(model, Network):
            raise InputError(f"a {type(model).__name__} is no network; read one with load_model.")
    profile = checked_profile(common_profile(models) if profile is None else profile)
    case = _checked(case)
    small = resample_case(case.with_label(None), profile.spacing)
    assert small.image is not None
    found: list[LabelsOnGrid] = []
    first = 0
    for part in slab_probabilities(models, small.image, profile.slab, device):
        for index, scores in enumerate(combine(part, first)):
            if index == len(found):
                found.append(LabelsOnGrid(small.shape[0], case.shape, profile.sure))
            found[index].add(scores)
        first += part.shape[2]
    return [each.labels for each in found]


def _checked(case: Case) -> Case:
    """The case with arrays and floats where it may have had tensors and lists.

    Raises InputError for what is not as `Case` says: in it a network would find little, and nobody be told.
    """
    if not isinstance(case, Case):
        raise InputError(f"a {type(case).__name__} is no case; make one with load_case, or Case(name, image, ...).")
    if case.image is None:
        raise InputError(f"{case.name} has no image to segment.")
    image = as_array(f"the image of {case.name} holds", case.image)
    if image.dtype.kind not in "iuf" or image.ndim != 3 or 0 in image.shape or not np.isfinite(image).all():
        raise InputError(f"the image of {case.name} is not (D, H, W) of finite HU.")
    spacing = checked_spacing(f"the spacing of {case.name}", case.spacing)
    affine = as_array(f"the affine of {case.name} holds", case.affine)
    if affine.dtype.kind not in "iuf" or affine.shape != (4, 4) or not is_in_kits_order(affine):
        raise InputError(
            f"the affine of {case.name} does not say that its axes run {AXES} (slices from the head down, rows from "
            "front to back, columns from right to left); turn the image so, and give kits_affine(spacing)."
        )
    there = spacing_of(affine)
    if not np.allclose(there, spacing, rtol=ROUNDING):
        raise InputError(
            f"the spacing of {case.name} is {millimeters(spacing)}, but that of its affine {millimeters(there)};"
            " give the true one twice, as in kits_affine(spacing)."
        )
    whole = as_whole(image)
    check_hounsfield(Path(case.name), whole)
    cleared = clear_padding(Path(case.name), whole, in_place=False)  # has been, of what was read from a file
    return replace(case, image=image if cleared is whole else cleared, spacing=spacing, affine=affine)


@torch.no_grad()  # not inference_mode: the networks are moved here, and could not be trained any more
def slab_probabilities(
    models: Sequence[Network], image: NDArray[np.int16], slab: int, device: str | torch.device = "auto"
) -> Iterator[Tensor]:
    """The class probabilities of every network, in parts from the first slice to the last: (M, 3, d, H, W) float32.

    image: (D, H, W) HU at the networks' spacing, of any size: it is padded with air as far as they need.
    slab: slices of a slab in training. Here slabs are twice as long and overlap by half, and slices in a slab's
    middle, which have neighbors on both sides, count more; our choice. A few slabs' results are held at a time.
    On a processor the number of threads follows what the machine has to spare, see `adapted`.
    The networks stay on the device, in eval mode. Raises InputError for one that gives no logits, or NaN.
    """
    where = pick_device(device, numbered=True)
    models = [model.eval().to(where, memory_format=torch.channels_last_3d) for model in models]  # type: ignore[call-overload]
    depth, height, width = image.shape
    multiple = [math.lcm(*(model.multiple[axis] for model in models)) for axis in range(3)]
    slab = min(LONGER * slab, max(slab, depth))
    slab += -slab % multiple[0]
    padding = (0, -width % multiple[2], 0, -height % multiple[1], 0, max(slab - depth, 0))
    starts = [*range(0, max(depth - slab, 0), max(slab // 2, 1)), max(depth - slab, 0)]
    ramp = torch.arange(1, slab + 1, device=where)
    weight = torch.minimum(ramp, ramp.flip(0)).float()[:, None, None]  # 1, 2, 3, 4, 4, 3, 2, 1 for eight slices
    together = max(1, min(8, PIXELS // (slab * height * width)))

    total = torch.zeros(len(models), CLASS_COUNT, slab, height, width, device=where)
    weights = torch.zeros(slab, 1, 1, device=where)
    results = torch.empty(together, *total.shape, device=where)  # (B, M, 3, slab, H, W)
    for first in range(0, len(starts), together):
        chosen = starts[first : first + together]
        slabs = [torch.from_numpy(window(image[start : start + slab])) for start in chosen]  # each (d, H, W)
        x = F.pad(torch.stack(slabs), padding)[:, None].to(where)  # (B, 1, slab, H + p, W + q); 0 is air
        on_processor = where.type == "cpu"
        with PIECES.piece((*map(id, models), x.shape[1:])) if on_processor else nullcontext(), _FastAlone():
            for index, model in enumerate(models):
                logits = model(x.to(next(model.parameters(), x).dtype))
                if not isinstance(logits, Tensor) or logits.shape != (len(x), CLASS_COUNT, *x.shape[2:]):
                    raise InputError(f"{_title(model)} does not give logits (N, 3, D, H, W), so it cannot segment.")
                results[: len(x), index] = logits[..., :height, :width].float().softmax(1)
        for model, total_of_model in zip(models, results[: len(x)].sum((0, 2, 3, 4, 5)).tolist(), strict=True):
            if math.isnan(total_of_model):
                raise InputError(
                    f"{_title(model)} gives NaN, so it finds nothing; train it again, at a lower learning rate."
                )
        for start, following, probabilities in zip(chosen, [*starts[first + 1 :], depth], results, strict=False):
            total += probabilities * weight  # (M, 3, slab, H, W)
            weights += weight
            done = following - start  # slices that no later slab touches
            yield (total[:, :, :done] / weights[:done]).cpu()
            total = torch.cat([total[:, :, done:], torch.zeros_like(total[:, :, :done])], dim=2)
            weights = torch.cat([weights[done:], torch.zeros_like(weights[:done])])


class _FastAlone(TorchFunctionMode):
    """Gives the convolutions of a single slab to oneDNN, as PyTorch does with those of several.

    On a processor PyTorch (2.13) takes one of its own for a batch of one, which is up to twenty times slower. Slabs
    in pairs avoid that as well, but need twice the memory. A convolution that is called otherwise than `nn.Conv3d`
    does it, or with other numbers than float32, is left to PyTorch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv3d and len(args) == 7 and torch.backends.mkldnn.is_available():
            x, weight, bias, stride, padding, dilation, groups = args
            usual = all(type(size) is tuple and len(size) == 3 for size in (stride, padding, dilation))
            alone = x.ndim == 5 and len(x) == 1 and x.device.type == "cpu"
            exact = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
            if usual and alone and exact:
                return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, groups)
        return func(*args, **(kwargs or {}))


def _title(model: Network) -> str:
    return f"network {model.name or type(model).__name__}"


def spacing_note(models: Sequence[Network]) -> str:
    """At which spacing networks were trained, and what follows for a scan. Raises InputError if they differ."""
    profile = common_profile(models)
    if profile.spacing is None:
        return f"scans at their own spacing (profile {profile.name})"
    spacing = millimeters(profile.spacing)
    return f"{spacing} (profile {profile.name}); scans are resampled to it, and their segmentations back"


def common_profile(models: Sequence[Network]) -> Profile:
    """The profile at which all of them work, with the lowest `sure`. Raises InputError for different spacings."""
    profiles = [model.profile for model in models]
    first = profiles[0] if profiles else None
    if first is None:
        raise InputError("the networks do not say at which spacing they were trained; give `profile`.")
    for other in profiles[1:]:
        if other is None or (other.spacing, other.slab) != (first.spacing, first.slab):
            raise InputError(
                "the networks were trained at different spacings or with slabs of different length; choose some that "
                "fit together."
            )
    return replace(first, sure=min(each.sure for each in profiles if each))
