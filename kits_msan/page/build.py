"""What lies beside a page that segments: its script, and a script for each network and each phantom.

Networks and phantoms are added to a page when they are asked for, as script elements: a page that opens from disk may
not read files in another way.
"""

import json
from functools import lru_cache
from pathlib import Path

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import digest
from kits_msan.networks.registry import MODELS, TITLES
from kits_msan.page.phantoms import choose_phantoms, packed_case, page_case
from kits_msan.page.scripts import segment_script
from kits_msan.page.weights import packed_weights
from kits_msan.profiles import profile_from
from kits_msan.viewer.letters import script_file


def write_segment(folder: Path, checkpoints: Path) -> None:
    """Write `segment.js`, and `network-*.js` and `phantom-*.js` beside it.

    checkpoints: the folder with a checkpoint of each of MODELS. Raises InputError if one is missing, or where they
    were trained at different spacings, since they could not vote.
    """
    there = [file for name in MODELS if (file := checkpoints / f"{name}.safetensors").exists()]
    for name, data in _scripts(checkpoints, tuple(digest(path) for path in there)).items():
        (folder / name).write_bytes(data)


@lru_cache(maxsize=1)
def _scripts(checkpoints: Path, _: tuple[str, ...]) -> dict[str, bytes]:
    """All files by name. Packing takes some seconds, which a process that builds several sites spends once.

    The checkpoints' digests say whether they are still the same.
    """
    files: dict[str, bytes] = {}
    networks, scans, profiles = [], [], []
    for name in MODELS:
        weights, about = packed_weights(checkpoints / f"{name}.safetensors")
        profiles.append(profile_from(about["profile"]))
        file = f"network-{name}.js"
        files[file] = script_file(f'KitsSegment.weights[{json.dumps(name)}] = "{weights}";\n')
        entry = {"name": name, "title": TITLES[name], "file": file, "megabytes": len(files[file]) / 1e6}
        entry |= {
            "spacing": profiles[-1].spacing,
            "sure": profiles[-1].sure,
            "hasAttention": "reading" in about["config"],
        }
        networks.append(entry | {"levels": about["config"]["poolings"]})
    if len({(profile.spacing, profile.sure) for profile in profiles}) > 1:
        raise InputError(f"the networks in {checkpoints} have different spacings or thresholds, so they cannot vote.")
    for seed, title in choose_phantoms().items():
        name, file = f"phantom_{seed:06d}", f"phantom-{seed}.js"
        phantom = packed_case(page_case(seed, profiles[0]))
        given = json.dumps(phantom, ensure_ascii=False)
        files[file] = script_file(f"KitsSegment.scans[{json.dumps(name)}] = {given};\n")
        scans.append({"name": name, "title": title, "file": file})
    return files | {"segment.js": segment_script({"networks": networks, "scans": scans}).encode()}
