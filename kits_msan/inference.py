"""From a CT to labels: a volume through the networks slab by slab, the vote of the five, and the clean-up."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from kits_msan.data.cases import KIDNEY, Case, window
from kits_msan.data.resampling import LabelsOnGrid, resample_case
from kits_msan.devices import pick_device
from kits_msan.errors import InputError
from kits_msan.networks.msan import CLASS_COUNT, Network
from kits_msan.profiles import Profile, get_profile

PIXELS = 2**19  # of the slabs that pass a network together: what bounds the memory
PART = 16  # slices that the clean-up looks at together
LONGER = 2  # slabs than in training: an organ's neighbors above and below tell it from a tumor


def predict(
    models: Network | Sequence[Network],
    case: Case,
    profile: str | Profile | None = None,
    device: str = "auto",
    clean: bool = True,
) -> NDArray[np.uint8]:
    """Segment a case with one network, or with several that vote: labels (D, H, W) on the case's own grid.

    profile: the spacing and slab to work at; by default those that the networks were trained with.
    clean: apply `keep_kidneys`.
    Raises InputError for a case without image and for networks trained at different spacings.
    """
    models = [models] if isinstance(models, Network) else list(models)
    [labels] = _segment(models, case, profile, device, lambda part: [vote_scores(part)])
    if clean:
        _keep_kidneys(labels)
    return labels


def predict_each(
    models: Mapping[str, Network],
    case: Case,
    profile: str | Profile | None = None,
    device: str = "auto",
    clean: bool = True,
) -> dict[str, NDArray[np.uint8]]:
    """The labels of every network and of their vote ("ensemble"), in one pass; otherwise as `predict`."""
    found = _segment(list(models.values()), case, profile, device, lambda part: [*part, vote_scores(part)])
    for labels in found if clean else ():
        _keep_kidneys(labels)
    return dict(zip([*models, "ensemble"], found, strict=True))


def _segment(
    models: Sequence[Network],
    case: Case,
    profile: str | Profile | None,
    device: str,
    combine: Callable[[Tensor], Sequence[Tensor]],
) -> list[NDArray[np.uint8]]:
    """Labels on the case's grid, one array for each class score that `combine` makes of the networks' results."""
    profile = _common_profile(models) if profile is None else get_profile(profile)
    if case.image is None:
        raise InputError(f"{case.name} has no image to segment.")
    small = resample_case(case.with_label(None), profile.spacing)
    assert small.image is not None
    found: list[LabelsOnGrid] = []
    for part in slab_probabilities(models, small.image, profile.slab, device):
        for index, scores in enumerate(combine(part)):  # each (3, d, H, W)
            if index == len(found):
                found.append(LabelsOnGrid(small.shape[0], case.shape))
            found[index].add(scores)
    return [each.labels for each in found]


@torch.inference_mode()
def slab_probabilities(
    models: Sequence[Network], image: NDArray[np.int16], slab: int, device: str = "auto"
) -> Iterator[Tensor]:
    """The class probabilities of every network, in parts from the first slice to the last: (M, 3, d, H, W) float32.

    image: (D, H, W) HU at the networks' spacing, of any size: it is padded with air as far as they need.
    slab: slices of a slab in training. Here slabs are twice as long and overlap by half, and slices in a slab's
    middle, which have neighbors on both sides, count more; our choice. A few slabs' results are held at a time.
    """
    where = pick_device(device)
    models = [model.eval().to(where, memory_format=torch.channels_last_3d) for model in models]  # type: ignore[call-overload]
    depth, height, width = image.shape
    multiple = [max(model.multiple[axis] for model in models) for axis in range(3)]
    slab = min(LONGER * slab, max(slab, depth))
    slab += -slab % multiple[0]
    padding = (0, -width % multiple[2], 0, -height % multiple[1], 0, max(slab - depth, 0))
    starts = [*range(0, max(depth - slab, 0), max(slab // 2, 1)), max(depth - slab, 0)]
    ramp = torch.arange(1, slab + 1, device=where)
    weight = torch.minimum(ramp, ramp.flip(0)).float()[:, None, None]  # 1, 2, 3, 4, 4, 3, 2, 1 for eight slices

    # at least two slabs at once: alone, a slab falls to a convolution that is twenty times slower on a processor
    together = max(2, min(8, PIXELS // (slab * height * width)))

    total = torch.zeros(len(models), CLASS_COUNT, slab, height, width, device=where)
    weights = torch.zeros(slab, 1, 1, device=where)
    results = torch.empty(together, *total.shape, device=where)  # (B, M, 3, slab, H, W)
    for first in range(0, len(starts), together):
        chosen = starts[first : first + together]
        slabs = [torch.from_numpy(window(image[start : start + slab])) for start in chosen]  # each (d, H, W)
        stacked = torch.stack(slabs + slabs[:1] * (len(slabs) == 1))  # (B, d, H, W)
        x = F.pad(stacked, padding)[:, None].to(where)  # -> (B, 1, slab, H + p, W + q); 0 is air after windowing
        for index, model in enumerate(models):
            results[: len(x), index] = model(x)[..., :height, :width].softmax(1)
        for start, following, probabilities in zip(chosen, [*starts[first + 1 :], depth], results, strict=False):
            total += probabilities * weight  # (M, 3, slab, H, W)
            weights += weight
            done = following - start  # slices that no later slab touches
            yield (total[:, :, :done] / weights[:done]).cpu()
            total = torch.cat([total[:, :, done:], torch.zeros_like(total[:, :, :done])], dim=2)
            weights = torch.cat([weights[done:], torch.zeros_like(weights[:done])])


def vote_scores(probabilities: Tensor, labels: Tensor | None = None) -> Tensor:
    """Scores whose highest class wins the vote: (M, C, D, H, W) -> (C, D, H, W).

    Votes, plus less than one vote in proportion to the summed probability, so that it decides ties and nothing
    else. One network's scores are its probabilities.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    labels = probabilities.argmax(1) if labels is None else labels  # (M, D, H, W)
    votes = torch.stack([(labels == value).sum(0) for value in range(probabilities.shape[1])])
    return votes + 0.5 * probabilities.mean(0)


def majority_vote(labels: ArrayLike, probabilities: ArrayLike | None = None) -> NDArray[np.uint8]:
    """The class that most networks chose, for each voxel: (M, D, H, W) labels -> (D, H, W) uint8.

    probabilities: (M, 3, D, H, W); a tie (2-2-1 among five) goes to the class with the highest sum of them, or
    without them to the lowest class. Paper, section 2.2 ("a voting strategy"); the rule for ties is our choice.
    Raises InputError where shapes do not fit or a label is not 0, 1 or 2.
    """
    votes = np.asarray(labels)
    if votes.ndim < 2 or votes.size == 0:
        raise InputError(
            f"expected the labels of several networks, (M, D, H, W), not an array of shape {votes.shape}."
        )
    if not np.isin(votes, range(CLASS_COUNT)).all():
        raise InputError("labels must be 0, 1 or 2.")
    sums = np.zeros((len(votes), CLASS_COUNT, *votes.shape[1:]), np.float32)
    if probabilities is not None:
        given = np.asarray(probabilities, np.float32)
        if given.shape != sums.shape:
            raise InputError(f"probabilities of shape {given.shape} do not fit labels of shape {votes.shape}.")
        sums = given
    if len(votes) == 1:
        return votes[0].astype(np.uint8)
    return vote_scores(torch.from_numpy(sums), torch.from_numpy(votes)).argmax(0).to(torch.uint8).numpy()


def keep_kidneys(labels: NDArray[np.uint8], components: int = 2) -> NDArray[np.uint8]:
    """Remove islands: a copy of (D, H, W) labels with only the largest connected components of kidney-and-tumor.

    components: how many to keep. The paper's "simple maximal connected component" (section 3.1) is read as two,
    since one would delete the second kidney. Tumor counts up to twice the kidney that it touches: a spleen taken for
    tumor must not oust a kidney. So a component without any kidney goes, however large; only where none has kidney
    does tumor stay alone. Voxels that share a face are connected: with corners, more organs hang on a kidney.
    """
    out = labels.copy()
    _keep_kidneys(out, components)
    return out


def _keep_kidneys(labels: NDArray[np.uint8], components: int = 2) -> None:
    """`keep_kidneys` in place. Islands are found some slices at a time and joined, so memory does not grow."""
    plane = labels.any(axis=0)
    if not plane.any():
        return
    labels = labels[:, *ndimage.find_objects(plane.astype(np.uint8))[0]]  # far smaller than the scan
    sizes, with_kidney, firsts, pairs = [], [], [], [np.zeros((2, 0), int)]
    count, seam = 0, np.zeros(labels.shape[1:], int)  # the last part's islands in the slice that both parts see
    for part in _parts(labels):
        islands, found = _islands(part)
        own, values = islands[:PART], part[:PART]
        sizes.append(np.bincount(own.ravel(), minlength=found + 1)[1:])
        with_kidney.append(np.bincount(own[values == KIDNEY], minlength=found + 1)[1:])
        both = (seam > 0) & (islands[0] > 0)
        pairs.append(np.unique(np.stack([seam[both], islands[0][both] + count]), axis=1) - 1)
        firsts.append(count)
        seam = np.where(islands[-1] > 0, islands[-1] + count, 0)
        count += found
    edges = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(count, count))
    total, whole = connected_components(graph, directed=False)  # the number of each island's whole
    size = np.bincount(whole, np.concatenate(sizes), minlength=total)
    kidney = np.bincount(whole, np.concatenate(with_kidney), minlength=total)
    if kidney.any():
        size = np.minimum(size, 3 * kidney)  # kidney and at most twice as much tumor
    kept = [island for island in np.argsort(-size, kind="stable")[:components] if size[island]]
    keep = np.isin(whole, kept)
    for part, first in zip(_parts(labels), firsts, strict=True):
        islands, found = _islands(part)
        wanted = np.concatenate([[False], keep[first : first + found]])
        part[:PART][~wanted[islands[:PART]]] = 0


def _parts(labels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Views of PART slices and one more, in which a part meets the next."""
    for start in range(0, len(labels), PART):
        yield labels[start : start + PART + 1]


def _islands(part: NDArray[np.uint8]) -> tuple[NDArray, int]:
    return ndimage.label(part)  # by faces


def spacing_note(models: Sequence[Network]) -> str:
    """At which spacing networks were trained, and what follows for a scan. Raises InputError if they differ."""
    profile = _common_profile(models)
    if profile.spacing is None:
        return f"scans at their own spacing (profile {profile.name})"
    size = " x ".join(f"{edge:g}" for edge in profile.spacing)
    return f"{size} mm (profile {profile.name}); scans are resampled to it, and their segmentations back"


def _common_profile(models: Sequence[Network]) -> Profile:
    profiles = [model.profile for model in models]
    first = profiles[0] if profiles else None
    if first is None:
        raise InputError("the networks do not say at which spacing they were trained; give `profile`.")
    for other in profiles[1:]:
        if other is None or (other.spacing, other.slab) != (first.spacing, first.slab):
            raise InputError("the networks were trained at different spacings, so they cannot vote; choose others.")
    return first
