import json
import random

from mutations import changed_json, mutated
from safetensors.torch import load, save
from torch import zeros


def test_changed_json_stays_json_and_keeps_what_stands_around_it() -> None:
    rng, whole = random.Random(0), {"a": [1, {"b": "c"}], "d": None}
    texts = {changed_json(rng, b"\x00" + json.dumps(whole).encode() + b"rest") for _ in range(300)}
    assert all(text is not None and text[:1] == b"\x00" and text.endswith(b"rest") for text in texts)
    values = [json.loads(text[1:-4]) for text in texts if text]
    assert len(values) > 50
    assert any("a" not in value for value in values)  # removed
    assert any(
        isinstance(value.get("a"), list) and value["a"][1:] == [{"b": None}] for value in values
    )  # deep inside


def test_header_of_a_safetensors_file_keeps_its_length_right() -> None:
    whole = save({"w": zeros(3)}, metadata={"about": json.dumps({"step": 1})})
    sound = json.dumps(json.loads(whole[8:-12])["w"])
    rng, steps = random.Random(0), set()
    for _ in range(200):
        text = changed_json(rng, whole) or b""
        length = int.from_bytes(text[:8], "little")
        header = json.loads(text[8 : 8 + length])
        assert text[8 + length :] == whole[-12:]  # the tensor
        beside = header.get("__metadata__")
        about = beside.get("about") if isinstance(beside, dict) else None
        if json.dumps(header.get("w")) == sound and isinstance(about, str) and about.startswith("{"):
            assert load(text)["w"].shape == (3,)
            steps.add(str(json.loads(about).get("step")))
    assert len(steps) > 5  # the text within the text is changed, too


def test_what_is_no_json_is_changed_as_bytes() -> None:
    rng = random.Random(0)
    assert changed_json(rng, b"no json") is None
    assert len({mutated(rng, b"no json", [b"other"]) for _ in range(50)}) > 20
