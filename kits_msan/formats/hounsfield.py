"""Whether voxels are in Hounsfield units, judged by how they are distributed, not by minimum and maximum.

In HU air lies near -1000, fat near -100, organs from 0 to 100, with contrast up to 300; what lies above 700 is dense
bone, metal or thick contrast, and never most of a body. Round the field of view any value can stand as padding. A
scan may be cropped to a body without air, and clipped to a window.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import InputError, note

AIR_HU = -1024
NOT_AIR = -200  # HU; nothing above it, nothing to segment
SAMPLE = 2**20  # voxels that are looked at
NO_TISSUE = -1500  # HU; what lies below is padding
FEW = 10_000  # voxels, of which shares say little
GAP = 50  # between a padding and the next value
AIR = (-1100, -900)
FAT = (-150, -30)
BODY = (-300, 400)
TOO_HIGH = 20000  # HU; metal saturates far below
DENSE = 1000  # HU; above it lie metal, dense bone and thick contrast
HIGH = (700, 1400)  # where 1000 or 1024 too much puts a body


def check_hounsfield(path: Path, voxels: NDArray[np.int16]) -> None:
    """Raise InputError, saying what was seen, if a CT's voxels (any shape) are not in HU."""
    low, high = int(voxels.min()), int(voxels.max())
    if high < NOT_AIR:
        raise InputError(f"{path} holds only air (no voxel above {NOT_AIR} HU); name the CT of an abdomen.")
    if low == high:
        raise InputError(f"{path} holds the value {high} in every voxel; export the CT anew.")
    seen = _oddity(voxels)
    if seen:
        raise InputError(
            f"{path} has values {low} to {high}, so it is not in Hounsfield units, or not a CT: {seen}; export the "
            "CT with its rescale slope and intercept."
        )


def clear_padding(path: Path, voxels: NDArray[np.int16], in_place: bool = True) -> NDArray[np.int16]:
    """Put air in the place of a bright padding of (D, H, W) voxels, and say so: of a 0, say, where a scan was turned.

    A network would take it for tissue. A padding is the value of half the corners or more. It lies in the ends of
    rows, up to the first other value. The lowest value is none, but the edge of a window. Returns the voxels, or a
    copy where something changes and not `in_place`.
    """
    corners = voxels[tuple(slice(None, None, max(n - 1, 1)) for n in voxels.shape)]
    values, counts = np.unique(corners, return_counts=True)
    padding = int(values[counts.argmax()])
    if counts.max() < max(3, corners.size / 2) or padding <= NOT_AIR or padding == voxels.min():
        return voxels
    voxels = voxels if in_place else voxels.copy()
    for plane in voxels:
        same = plane == padding
        outside = np.logical_and.accumulate(same, 1) | np.logical_and.accumulate(same[:, ::-1], 1)[:, ::-1]
        plane[outside] = AIR_HU
    note(f"{path} has the value {padding} round its field of view; it is taken for air there.")
    return voxels


def _oddity(voxels: NDArray[np.int16]) -> str | None:
    """What no CT in HU shows, as part of a sentence; None if it is one."""
    values = voxels.reshape(-1)[:: max(1, voxels.size // SAMPLE) | 1]
    below = values[values <= NO_TISSUE]
    spread = (below.size - np.sort(np.unique(below, return_counts=True)[1])[-2:].sum()) / values.size  # no padding
    if spread > 0.05:
        return f"{spread:.0%} are spread below {NO_TISSUE}, where nothing but padding can be"
    values = _without_padding(values)
    low, high = int(values.min()), int(values.max())
    first, last = np.percentile(values, [0.5, 99.5])
    if -20 <= first <= last <= 20:
        return "nearly all of them are within 20 of zero, as after normalizing"
    near_zero = _share(values, 0, 0.1 * np.percentile(values, 99))
    if np.unique(values[values < 0]).size < 2 and near_zero > 0.05:  # one may be a padding
        return f"none but a padding is below 0, and {near_zero:.0%} are just above it, where air would be near -1000"
    at_low = _share(values, -128, -115)
    if -128 <= low <= high <= 127 and at_low > 0.2:
        return f"all fit into one byte, and {at_low:.0%} are at its lower end, where air would be near -1000"
    body, raised = _share(values, *BODY), _share(values, *HIGH)
    if body < 0.005:
        return f"hardly any are from {BODY[0]} to {BODY[1]}, where a body lies"
    air = _natural_share(values, *AIR)
    if air < 0.01 and (seen := _air_elsewhere(values, low, high)):
        return seen
    around = max(_share(values, 300, 700), 2 * _share(values, HIGH[1], 2**15))
    if raised > 0.03 and raised > around and air < 0.01:
        soft = values[(values >= -200) & (values <= 250)]
        fat = _share(soft, -200, -30) if soft.size else 0
        if fat < 0.1 or raised > len(soft) / len(values):
            middle = np.median(values[(values >= HIGH[0]) & (values <= HIGH[1])])
            return f"{raised:.0%} are near {middle:.0f}, where a body lies if 1024 was not taken off"
    dense, between = _natural_share(values, DENSE, 2**15), _share(values, 150, DENSE)
    if air < 0.01 and (dense > max(0.1, 2 * between) or _natural_share(values, 2 * DENSE, 2**15) > 0.1):
        return f"{dense:.0%} are above {DENSE}, where only metal and dense bone lie"
    if (above := _share(values, TOO_HIGH, 2**15)) > 0.01:
        return f"{above:.0%} are above {TOO_HIGH}, where nothing can be"
    if low >= 0:
        return "none but a padding is below 0, where fat and air would be"
    zero = _share(values[values > low], -20, 20)  # the lowest may be the edge of a window
    if zero > 0.3 and _share(values, *FAT) < 0.001 and air < 0.01:
        return f"{zero:.0%} are round 0, and none where fat and air would be"
    scale = 0.1 * np.percentile(values, 90)  # which metal in a small crop leaves as it is
    near, below_zero = _share(values, -scale, scale), _share(values, -(2**15), -scale)
    if values.size > FEW and air < 0.01 and near > 0.2 and below_zero < 0.01:  # some are, after a cubic resampling
        return f"{near:.0%} are round 0 and hardly any below, where fat and air would be"
    return None


def _air_elsewhere(values: NDArray[np.int16], low: int, high: int) -> str | None:
    """Whether what has no air near -1000 HU has it where a wrong sign, scale or number of bits puts it."""
    if (turned := _natural_share(values, -AIR[1], -AIR[0])) > 0.1 and _share(values, -AIR[0], 2**15) < 0.01:
        return f"{turned:.0%} are near 1000 and hardly any near -1000, where air would be"
    few = values[(values >= -700) & (values <= -400)]  # but where air and tissue share voxels, spread evenly
    between = _natural_share(values, -700, -400)
    if between > 0.1 and _share(np.abs(few - np.median(few)), 0, 60) > 0.8:
        return f"{between:.0%} are from -700 to -400, where little lies, and none near -1000, where air would be"
    middle = values[values > -60]
    shrunk = _natural_share(values, -115, -75)
    if low > -200 and shrunk > 0.05 and _is_narrow(values) and middle.size and _share(middle, -25, 60) > 0.85:
        return f"{shrunk:.0%} are near -100 and nearly all others round 0, as if divided by ten"
    if -128 <= low <= -127 and 126 <= high <= 127:
        return "they are just those of a signed byte, in which no CT fits"
    return None


def _without_padding(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """The values without padding: what is beyond any tissue, and one low value far from the rest."""
    tissue = values[values > NO_TISSUE]
    if not tissue.size:
        return values
    lowest = int(tissue.min())
    rest = tissue[tissue > lowest]
    if rest.size and int(rest.min()) - lowest >= GAP and tissue.size - rest.size > 0.01 * tissue.size:
        return rest
    return tissue


def _is_narrow(values: NDArray[np.int16]) -> bool:
    """Whether what is near -100 lies within 3 of one value, as air divided by ten does; fat is spread by noise."""
    part = values[(values >= -115) & (values <= -75)]
    found, times = np.unique(part, return_counts=True)
    return bool((np.abs(part - found[times.argmax()]) <= 3).mean() > 0.5)


def _natural_share(values: NDArray[np.int16], low: float, high: float) -> float:
    """The share of values from `low` to `high`, without the most frequent one, which may be a padding."""
    part = values[(values >= low) & (values <= high)]
    return (part.size - np.unique(part, return_counts=True)[1].max()) / values.size if part.size else 0.0


def _share(values: NDArray, low: float, high: float) -> float:
    return float(((values >= low) & (values <= high)).mean()) if values.size else 0.0
