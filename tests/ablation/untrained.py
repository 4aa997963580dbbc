"""Five networks that nobody trained, in either layout of `load_all`, for the tests that score them."""

from pathlib import Path

from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import Profile


def untrained(tiny: Profile, tmp_path: Path) -> Path:
    """A folder of the five networks, untrained."""
    for name in MODELS:
        model = build_model(name, width=4, poolings=2)
        save_model(tmp_path / "flat" / f"{name}.safetensors", model, describe_model(name, model, tiny))
        save_model(tmp_path / "runs" / name / "model.safetensors", model, describe_model(name, model, tiny))
    return tmp_path
