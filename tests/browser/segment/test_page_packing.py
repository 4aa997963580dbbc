"""What the page's scripts hold comes out as it went in."""

import json

import numpy as np

from browser.segment.compute import Run
from kits_msan.page.phantoms import packed_case
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE
from kits_msan.viewer.letters import FIRST, letters, script_file


def test_letters(run: Run) -> None:
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 256, length, np.uint8) for length in (*range(1, 33), 100_003)]
    given += [np.full(length, value, np.uint8) for value in (0, 255) for length in (14, 15, 16, 17)]
    for data in given:
        text = letters(data.tobytes())
        assert len(text) == 1 + -(-8 * len(data) // 15)
        np.testing.assert_array_equal(run("return bytesOf(text);", text=text), data)
    assert (
        run("return [bytesOf(text).length, bytesOf(''), bytesOf('AAEC')].join(' ');", text=letters(b"")) == "0  0,1,2"
    )


def test_no_letter_means_something_in_a_script() -> None:
    every = "".join(chr(FIRST + code) for code in range(1 << 15))
    assert json.dumps(every, ensure_ascii=False) == f'"{every}"'
    assert len(every.splitlines()) == 1
    assert len(script_file(every)) == 2 + 2 * len(every)  # none is half of a pair
    assert script_file(every).decode("utf-16") == every


def test_a_phantom_is_the_case_that_python_makes(run: Run) -> None:
    case = phantom_case(7, SMOKE)
    assert case.image is not None
    assert case.label is not None
    text = run(
        """const { image, truth, spacing, affine } = await TASKS.open({ name: "phantom.nii.gz", ...phantom });
        return JSON.stringify({ image: [...image], truth: [...truth], spacing, affine });""",
        phantom=packed_case(case),
    )
    seen = json.loads(text)
    np.testing.assert_array_equal(np.reshape(seen["image"], case.shape), case.image)
    np.testing.assert_array_equal(np.reshape(seen["truth"], case.shape), case.label)
    np.testing.assert_allclose(seen["spacing"], case.spacing)
    np.testing.assert_allclose(np.asarray(seen["affine"])[:3], case.affine[:3])
