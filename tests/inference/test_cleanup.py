from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from kits_msan.cleanup import CONTACT, COVER, UNSURE, keep_kidneys, keep_sure, remove_islands
from kits_msan.errors import InputError


def scan() -> np.ndarray:
    """Two kidneys, of 64 and 48 voxels, the second with a tumor of 8 that touches it."""
    labels = np.zeros((10, 20, 30), np.uint8)
    labels[2:6, 4:8, 2:6] = 1
    labels[2:6, 4:8, 20:23] = 1
    labels[2:4, 4:6, 23:25] = 2
    return labels


def island(part: tuple[slice, slice, slice], value: int) -> np.ndarray:
    labels = scan()
    labels[part] = value
    return labels


def test_two_kidneys_and_the_tumor_on_one_are_kept() -> None:
    np.testing.assert_array_equal(keep_kidneys(scan()), scan())


@pytest.mark.parametrize(
    "labels",
    [
        island(np.s_[9:10, 18:19, 28:29], 1),
        island(np.s_[7:10, 12:15, 10:14], 1),  # 36 voxels, less than either kidney
        island(np.s_[9:10, 18:19, 28:29], 2),
        island(np.s_[6:10, 10:20, 8:18], 2),  # tumor that touches no kidney, however large
    ],
)
def test_islands_are_dropped(labels: np.ndarray) -> None:
    before = labels.copy()
    cleaned = keep_kidneys(labels)
    np.testing.assert_array_equal(cleaned, scan())
    assert cleaned.dtype == np.uint8
    np.testing.assert_array_equal(labels, before)  # the input is left alone


def test_components_of_one_is_the_literal_reading_that_loses_a_kidney() -> None:
    cleaned = keep_kidneys(scan(), components=1)
    wanted = scan()
    wanted[:, :, 20:] = 0  # 56 voxels with its tumor, fewer than 64
    np.testing.assert_array_equal(cleaned, wanted)


def test_tumor_counts_up_to_half_its_kidney() -> None:
    labels = scan()
    labels[6:8, 4:8, 20:23] = 2  # 48 of kidney and 32 of tumor count as 72 voxels
    cleaned = keep_kidneys(labels, components=1)
    assert not cleaned[:, :, :10].any()
    np.testing.assert_array_equal(cleaned[:, :, 10:], labels[:, :, 10:])


def test_a_spleen_taken_for_tumor_does_not_oust_a_kidney() -> None:
    labels = island(np.s_[6:10, 10:20, 8:18], 2)  # 400 voxels of tumor
    labels[6:9, 10, 8:12] = 1  # and 12 of kidney: counts 18, the smaller kidney 56
    np.testing.assert_array_equal(keep_kidneys(labels), scan())
    labels[6:10, 10:12, 8:18] = 1  # 80 of kidney: counts 120, and ousts it
    assert not keep_kidneys(labels)[:, :, 20:].any()


def test_a_spleen_that_only_touches_a_kidney_is_no_tumor() -> None:
    labels = island(np.s_[5:9, 7:18, 23:30], 2)  # 308 voxels; 1 of 298 faces lies on kidney, which has 176
    wanted = scan()
    wanted[:, :, 23:] = 0
    np.testing.assert_array_equal(keep_kidneys(labels), wanted | scan())


@pytest.mark.parametrize(
    ("kidney", "length", "stays"),
    [((6, 6, 6), 4, True), ((6, 6, 6), 5, False), ((2, 2, 5), 6, True), ((3, 3, 3), 6, False)],
)
def test_a_rod_on_a_block(kidney: tuple[int, int, int], length: int, stays: bool) -> None:
    """Of its 4 length + 2 faces one is on kidney: 1/18, 1/22 (of 1/20), and 1/48, 1/54 of the block (of 1/50)."""
    labels = np.zeros((14, 8, 8), np.uint8)
    labels[tuple(map(slice, kidney))] = 1
    labels[kidney[0] : kidney[0] + length, 0, 0] = 2
    assert (keep_kidneys(labels) == 2).any() == stays


def test_contact_is_a_share_of_the_whole_surface() -> None:
    """2 of 42 faces, less than 5 %, lie on the kidney; of the 40 that lie on neither it would be just 5 %."""
    labels = np.zeros((14, 14, 14), np.uint8)
    labels[2:8, 2:8, 2:8] = 1
    kidney = labels.copy()
    labels[8:11, 7:10, 6:8] = 2
    np.testing.assert_array_equal(keep_kidneys(labels), kidney)


def test_a_tumor_that_has_eaten_most_of_its_kidney_is_kept() -> None:
    labels = island(np.s_[2:9, 4:18, 23:30], 2)  # 16 of 490 faces lie on kidney, but they are 9 % of the kidneys'
    np.testing.assert_array_equal(keep_kidneys(labels), labels)


def test_voxels_that_share_only_a_corner_or_an_edge_are_apart() -> None:
    labels = scan()
    labels[6, 8, 6] = labels[6, 3, 2] = 2  # diagonal to the first kidney's voxels
    np.testing.assert_array_equal(keep_kidneys(labels), scan())


def test_two_kidneys_joined_by_a_bridge_stay() -> None:
    labels = scan()
    labels[3, 5, 6:20] = 1
    np.testing.assert_array_equal(keep_kidneys(labels, components=1), labels)


def test_tumor_stays_where_no_kidney_was_found() -> None:
    labels = np.where(scan() == 2, 2, 0).astype(np.uint8)
    np.testing.assert_array_equal(keep_kidneys(labels), labels)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (40, 2, 2)])
def test_empty_and_full_segmentations_pass(shape: tuple[int, int, int]) -> None:
    for value in range(3):
        labels = np.full(shape, value, np.uint8)
        cleaned = keep_kidneys(labels)
        np.testing.assert_array_equal(cleaned, labels)
        assert cleaned is not labels


@pytest.mark.parametrize("depth", [31, 32, 33, 64, 65, 100])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_islands_that_reach_through_many_slices_are_whole(depth: int, share: float) -> None:
    rng = np.random.default_rng(depth)
    labels = rng.choice(3, (depth, 9, 10), p=(1 - share, 0.7 * share, 0.3 * share)).astype(np.uint8)
    labels[::7, 3] = labels[:, 3, 3] = 1  # one that reaches through all
    clean = without_loose_tumors(labels)
    islands, count = ndimage.label(clean)
    kidney = {i: (clean[islands == i] == 1).sum() for i in range(1, count + 1)}
    sizes = {i: min((islands == i).sum(), kidney[i] + kidney[i] // 2) for i in kidney if kidney[i]}
    for components in (1, 2, 5):
        kept = sorted(sizes, key=lambda i: -sizes[i])[:components]
        wanted = np.where(np.isin(islands, kept), clean, 0)
        np.testing.assert_array_equal(keep_kidneys(labels, components), wanted)


def without_loose_tumors(labels: np.ndarray) -> np.ndarray:
    """The rule of contact, voxel by voxel."""
    out, around = labels.copy(), np.pad(labels, 1)
    tumors, count = ndimage.label(labels == 2)
    for tumor in range(1, count + 1):
        faces = []  # what lies behind each face of the tumor
        for z, y, x in np.argwhere(tumors == tumor) + 1:
            faces += [around[z + 1, y, x], around[z - 1, y, x], around[z, y + 1, x]]
            faces += [around[z, y - 1, x], around[z, y, x + 1], around[z, y, x - 1]]
        contact = faces.count(1)
        if contact < CONTACT * (len(faces) - faces.count(2)) and contact < COVER * kidney_surface(labels):
            out[tumors == tumor] = 0
    return out


def kidney_surface(labels: np.ndarray) -> int:
    """The faces of kidney that do not lie on kidney."""
    kidney = np.pad(labels == 1, 1)
    return sum(int(np.abs(np.diff(kidney.astype(int), axis=axis)).sum()) for axis in range(3))


def unsure(labels: np.ndarray) -> np.ndarray:
    """With all tumor unsure."""
    return np.where(labels == 2, UNSURE, labels).astype(np.uint8)


@pytest.mark.parametrize("settle", [keep_sure, remove_islands])
def test_a_tumor_that_is_sure_somewhere_stays_whole_and_another_becomes_kidney(
    settle: Callable[[np.ndarray], None],
) -> None:
    labels = unsure(scan())
    labels[3, 5, 24] = 2
    labels[5, 7, 2:4] = UNSURE
    settle(labels)
    np.testing.assert_array_equal(labels, scan())  # its second island of tumor is kidney again
    labels = unsure(scan())
    settle(labels)
    np.testing.assert_array_equal(labels, (scan() > 0).astype(np.uint8))


@pytest.mark.parametrize("slices", [(0, 40), (3, 37)])
def test_a_sure_voxel_holds_its_island_over_many_slices(slices: tuple[int, int]) -> None:
    labels = np.zeros((40, 6, 6), np.uint8)
    labels[slice(*slices), 1:3, 1:3] = UNSURE
    labels[slices[1] - 1, 2, 2] = 2
    labels[:, 5, 5] = UNSURE
    keep_sure(labels)
    assert (labels[slice(*slices), 1:3, 1:3] == 2).all()
    assert (labels[:, 5, 5] == 1).all()
    assert labels.max() == 2


def test_a_sure_voxel_at_the_rim_holds_its_island() -> None:
    labels = np.zeros((3, 5, 9), np.uint8)
    labels[1, 2, 2:6] = UNSURE
    labels[1, 2, 6] = 2  # beyond all unsure ones
    keep_sure(labels)
    assert (labels[1, 2, 2:7] == 2).all()


def test_an_unsure_spleen_does_not_oust_a_kidney() -> None:
    labels = scan()
    labels[2:8, 8:18, 2:20] = UNSURE  # lies on the first kidney, and is larger than both
    labels[2:6, 4:8, 2:6] = 1
    remove_islands(labels)
    assert (labels[:, :, 20:] > 0).sum() == (scan()[:, :, 20:] > 0).sum()


@pytest.mark.parametrize("value", [3, 255, -1, 0.5])
def test_what_is_no_label_is_refused(value: float) -> None:
    """A 3, the cyst of KiTS21, would become kidney or tumor."""
    with pytest.raises(
        InputError, match=rf"the labels hold {value}; only 0, 1 \(kidney\) and 2 \(tumor\) are labels"
    ):
        keep_kidneys(np.full((2, 3, 4), value))


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 4), (4, 5, 6)])
def test_nothing_stays_nothing(shape: tuple[int, int, int]) -> None:
    labels = np.zeros(shape, np.uint8)
    keep_sure(labels)
    assert keep_kidneys(labels).shape == shape
    assert not labels.any()
