"""The phantoms that lie beside a page that segments."""

from kits_msan.page.phantoms import LARGE, SMALL, choose_phantoms, page_case
from kits_msan.phantom.make import patient_of
from kits_msan.phantom.patients import PHASES
from kits_msan.profiles import LAPTOP, PAPER, SHIPPED, SMOKE


def test_they_differ_in_phase_and_in_the_size_of_the_tumor() -> None:
    chosen = choose_phantoms()
    assert len(chosen) == 5  # more would make the site large
    patients = {seed: patient_of(seed).summary() for seed in chosen}
    assert {patient["phase"] for patient in patients.values()} == set(PHASES)
    sizes = []
    for seed, patient in patients.items():
        tumors = [lesion["diameter_mm"] for lesion in patient["lesions"] if lesion["kind"] == "tumor"]
        words = f"largest tumor {max(tumors):.0f} mm" if tumors else "no tumor"
        assert chosen[seed] == f"{patient['phase']} phase, {words} (seed {seed})"
        sizes.append(max(tumors, default=0.0))
    sizes.sort()
    assert sizes[0] == 0
    assert 0 < sizes[1] < SMALL[1] == 20
    assert sizes[-1] > LARGE[0] == 40


def test_their_voxels_are_the_networks_but_none_finer_than_the_laptops() -> None:
    assert page_case(7, SMOKE).spacing == SMOKE.spacing
    for profile in (LAPTOP, SHIPPED, PAPER):
        assert page_case(7, profile).shape == LAPTOP.grid
