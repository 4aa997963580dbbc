"""The networks in a page against PyTorch in double precision."""

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open

import kits_msan.page.scripts
from browser.segment.compute import ROOT, Run
from kits_msan.cleanup import keep_kidneys, keep_sure
from kits_msan.data.cases import Case, kits_affine, window
from kits_msan.inference import common_profile, predict
from kits_msan.networks.checkpoints import describe_model, load_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.page.phantoms import choose_phantoms, page_case
from kits_msan.page.weights import packed_weights
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import LAPTOP, SMOKE
from kits_msan.viewer.widget import SliceViewer
from kits_msan.vote import vote_scores

LOGITS = """
const model = await modelOf(weights), { engine } = model;
engine.allocate(4e6);
engine.floats(engine.start, 4e6).fill(poison);  // scratch memory, whose numbers must not matter
engine.clear();
return engine.read(model.forward(engine.load(x, shape)));
"""
ODD: dict[str, dict[str, Any]] = {
    "width 5, three poolings": {"name": "msan_v1", "width": 5, "poolings": 3},
    "all scales": {"name": "msan_v1_all", "width": 4, "poolings": 3},
    "finer scale only": {"name": "msan_v1_finer", "width": 4, "poolings": 2},
    "slices pooled too": {"name": "msan_v1", "width": 4, "poolings": 2, "pool": (2, 2, 2)},
    "one group": {"name": "msan_v2_scale1", "width": 6, "poolings": 1},
    "eight groups": {"name": "msan_v2_scale8", "width": 4, "poolings": 2},
    "groups of three": {"name": "msan_v2", "width": 3, "poolings": 2, "scale": 4},
    "no attention": {"name": "unet3d", "width": 7, "poolings": 4},
}


VOTE = """
const results = [];
const grid = gridShape(shape, from, spacing), small = resampleImage(image, shape, grid);
for (const one of weights) results.push(probabilities(await modelOf(one), small, grid));
const labels = labelsOnGrid(voteScores(results), grid, shape, sure);
keepKidneys(labels, shape);
return labels;
"""
SHIPPED = [ROOT / "data" / "checkpoints" / f"{name}.safetensors" for name in MODELS]


def noise(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32)


def worst(run: Run, checkpoint: Path, x: NDArray[np.float32], poison: float = float("nan")) -> float:
    """The largest difference of the page's logits from those in double precision, with the page's weights."""
    model = load_model(checkpoint)
    model.load_state_dict({name: tensor.half().float() for name, tensor in model.state_dict().items()})
    with torch.inference_mode():
        wanted = model.double()(torch.from_numpy(x).double()[None, None])[0].numpy()
    weights, _ = packed_weights(checkpoint)
    seen = run(LOGITS, weights=weights, x=x, shape=list(x.shape), poison=poison)
    return float(np.abs(seen.reshape(wanted.shape) - wanted).max())


@pytest.mark.parametrize("checkpoint", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_networks(run: Run, checkpoint: Path) -> None:
    """On a slab through the kidneys of a phantom."""
    image = phantom_case(next(iter(choose_phantoms())), LAPTOP).image
    assert image is not None
    assert worst(run, checkpoint, window(image[24:32])) < 1e-3


@pytest.mark.parametrize("seed", list(choose_phantoms())[:2])
def test_the_vote_of_the_shipped_networks_on_phantoms_of_the_page(run: Run, seed: int) -> None:
    """In at most 5 voxels another than Python's, from the phantom's voxels to the networks' and back.

    Where most kidney is: of the first phantom 24 slices, in which slabs overlap, of the second one 8.
    """
    models = [load_model(checkpoint) for checkpoint in SHIPPED]
    profile = common_profile(models)
    case = page_case(seed, profile)
    assert case.image is not None
    assert case.label is not None
    slices = 24 if seed == next(iter(choose_phantoms())) else 8
    start = int(np.convolve((case.label > 0).sum((1, 2)), np.ones(slices), "valid").argmax())
    part = np.s_[start : start + slices, 18:78, 18:78]
    case = replace(case, image=np.ascontiguousarray(case.image[part]), label=case.label[part])
    given = {"image": case.image, "shape": list(case.shape), "from": case.spacing, "spacing": profile.spacing}
    weights = [packed_weights(checkpoint)[0] for checkpoint in SHIPPED]
    seen = run(VOTE, weights=weights, sure=profile.sure, **given)
    wanted = predict(models, case)
    assert set(np.unique(wanted)) >= {0, 1}
    assert (seen.reshape(case.shape) != wanted).sum() <= 5


@pytest.mark.parametrize("given", ODD.values(), ids=ODD)
def test_networks_of_any_size(run: Run, tmp_path: Path, given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    sizes = {key: value for key, value in given.items() if key != "name"}
    model = build_model(given["name"], **sizes)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_model(tmp_path / "m.safetensors", model, describe_model(given["name"], model, SMOKE))
    assert worst(run, tmp_path / "m.safetensors", noise((4, 32, 48))) < 1e-3


def test_what_lies_in_scratch_memory_does_not_matter(run: Run) -> None:
    checkpoint = ROOT / "data" / "checkpoints" / "msan_v2.safetensors"
    for shape in ((4, 16, 32), (5, 48, 80)):  # of the second one, slices and the coarsest rows are odd
        found = {worst(run, checkpoint, noise(shape), poison) for poison in (0.0, 1e30, float("nan"))}
        assert len(found) == 1
        assert max(found) < 1e-3


def test_the_attention_weights(run: Run) -> None:
    checkpoint = ROOT / "data" / "checkpoints" / "msan_v1.safetensors"
    model = load_model(checkpoint)
    x = np.random.default_rng(1).random((4, 16, 32), np.float32)
    with torch.inference_mode():
        wanted = model.attention_weights(torch.from_numpy(x)[None, None])  # type: ignore[operator]
    weights, _ = packed_weights(checkpoint)
    for level, want in enumerate(wanted):
        body = f"""const model = await modelOf(weights), x = model.engine.load(image, [4, 16, 32]);
            return model.engine.read(model.attentionWeights(x)[{level}]);"""
        seen = run(body, weights=weights, image=x)
        np.testing.assert_allclose(seen.reshape(want.shape[1:]), want[0].numpy(), atol=2e-3)


def test_weights_keep_what_inference_needs(run: Run, tmp_path: Path) -> None:
    model = build_model("msan_v1_ds", width=4, poolings=2)
    save_model(tmp_path / "m.safetensors", model, describe_model("msan_v1_ds", model, LAPTOP))
    text, _ = packed_weights(tmp_path / "m.safetensors")
    assert text == packed_weights(tmp_path / "m.safetensors")[0]
    data = run("return unpacked(text);", text=text).tobytes()
    start = 8 + int.from_bytes(data[:8], "little")
    low, high = np.frombuffer(data[start:], np.uint8).reshape(2, -1)
    (tmp_path / "page.safetensors").write_bytes(data[:start] + np.stack([low, high], axis=1).tobytes())
    with safe_open(tmp_path / "page.safetensors", framework="pt") as file:
        assert set(file.keys()) == {name for name in model.state_dict() if not name.startswith("aux_heads")}
        for name in file.keys():  # noqa: SIM118
            assert torch.equal(file.get_tensor(name), model.state_dict()[name].half()), name
        assert json.loads(file.metadata()["about"])["profile"] == json.loads(json.dumps(asdict(LAPTOP)))


def test_the_vote(run: Run) -> None:
    rng = np.random.default_rng(2)
    for count in (1, 2, 4, 5):
        values = rng.random((count, 3, 4000), np.float32)
        values[:, :, :2000] = np.round(values[:, :, :2000] * 3) / 3  # ties
        body = """const n = values.length / count;
            return voteScores([...Array(count).keys()].map((k) => values.subarray(k * n, (k + 1) * n)));"""
        seen = run(body, values=values, count=count).reshape(3, -1)
        wanted = vote_scores(torch.from_numpy(values)[..., None, None]).numpy().reshape(3, -1)
        np.testing.assert_allclose(seen, wanted, atol=1e-6)


def test_the_clean_up_on_600_volumes(run: Run) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(1, 9, 3))
        share = rng.uniform(0.1, 0.7)
        kidney = rng.choice([0.5, 0.04])  # of what is labelled
        volumes = (rng.random((10, *shape)) < share) * rng.choice([1, 2], (10, *shape), p=[kidney, 1 - kidney])
        if rng.random() < 0.2:
            volumes[volumes == 1] = 2  # tumor alone
        body = """const n = shape[0] * shape[1] * shape[2];
            for (let at = 0; at < labels.length; at += n) keepKidneys(labels.subarray(at, at + n), shape);
            return labels;"""
        seen = run(body, labels=volumes.astype(np.uint8), shape=list(shape)).reshape(volumes.shape)
        for one, cleaned in zip(volumes.astype(np.uint8), seen, strict=True):
            np.testing.assert_array_equal(cleaned, keep_kidneys(one))
        marked = (volumes + (volumes == 2) * (rng.random(volumes.shape) < 0.3)).astype(np.uint8)
        seen = run(body.replace("keepKidneys", "keepSure"), labels=marked, shape=list(shape)).reshape(marked.shape)
        for one, kept in zip(marked, seen, strict=True):
            keep_sure(one)
            np.testing.assert_array_equal(kept, one)


def test_the_kernels_are_those_of_their_source(tmp_path: Path) -> None:
    """ops.wasm, byte for byte. Where npm cannot be had, this is skipped."""
    if not shutil.which("make") or not shutil.which("npx"):
        pytest.skip("no npm")
    made = subprocess.run(
        ["make", "-s", "wasm", f"WASM={tmp_path / 'ops.wasm'}"], cwd=ROOT, capture_output=True, text=True, timeout=500
    )
    if made.returncode and ".ts" not in made.stderr:  # no registry; a mistake in the source names its file
        pytest.skip(f"npm fetched no compiler: {made.stderr[-200:]}")
    assert made.returncode == 0, made.stderr
    committed = Path(kits_msan.page.scripts.HERE) / "networks" / "ops.wasm"
    assert (tmp_path / "ops.wasm").read_bytes() == committed.read_bytes()


@pytest.mark.parametrize("most", [2, 1, 0], ids=["tumor", "kidney", "neither"])
def test_the_page_begins_where_a_viewer_does(run: Run, most: int) -> None:
    """One voxel of tumor outweighs any kidney; where nothing is found, a page stays where it is."""
    label = np.zeros((4, 40, 50), np.uint8)
    label[2, 3:, 5:] = min(most, 1)
    label[0, 20, 30] = most
    case = Case("case", np.zeros(label.shape, np.int16), None, (5.0, 1.0, 1.0), kits_affine((5.0, 1.0, 1.0)))
    wanted = SliceViewer(case, {"found": label})._indices if most else None
    assert run("return firstIndices(labels, shape)", labels=label.ravel(), shape=list(label.shape)) == wanted
