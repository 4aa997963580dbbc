"""The drawings to move in a running JupyterLab: each is drawn by its widget, and a key changes what it says."""

import pytest
from playwright.sync_api import Page, expect

from browser.lab import Lab

CELL = """
import sys; sys.path.insert(0, {path})
import numpy as np
from IPython.display import display
from kits_msan.course.explorables import widgets
from kits_msan.data.cases import Case, kits_affine
mm = (5.0, 4.0, 4.0)
case = Case("case", np.zeros((1, 96, 96), np.int16), np.zeros((1, 96, 96), np.uint8), mm, kits_affine(mm))
display(widgets.attention(), widgets.field(case, 0), widgets.overlap(), widgets.window(case, 0), widgets.vote())
display(widgets.bootstrap([1.0, 2.0, 6.0], "points"))
"""


KEYS = [  # what is moved, by keys that JupyterLab uses too, and what is then said
    (lambda page: page.get_by_label("finer neighbor, pooled"), "ArrowDown", "= 1.90"),
    (lambda page: page.get_by_label("scale s"), "ArrowUp", "5: 9 bottom pixels"),
    (lambda page: page.get_by_label("Truth and answer"), "ArrowDown", "Dice"),
    (lambda page: page.get_by_role("button", name="soft tissue"), "Enter", "Black at −160 HU and below"),
    (lambda page: page.get_by_label("MSAN-V2 + DS votes for"), "ArrowDown", "kidney has most votes"),
    (lambda page: page.get_by_role("button", name="draw 100 times"), "Enter", "100 draws."),
]


def test_each_drawing_answers_to_the_keyboard(lab_page: Page, lab: Lab, pytestconfig: pytest.Config) -> None:
    page = lab_page
    page.set_viewport_size({"width": 1300, "height": 4000})
    lab.open(page, "drawings.ipynb", [CELL.replace("{path}", repr(str(pytestconfig.rootpath)))])
    lab.run_all(page)
    lines = page.locator(".kits-x-line")
    expect(lines).to_have_count(len(KEYS), timeout=60_000)
    for place, (control, key, words) in enumerate(KEYS):
        before = lines.nth(place).inner_text()
        control(page).focus()
        page.keyboard.press(key)
        expect(lines.nth(place)).not_to_have_text(before)
        expect(lines.nth(place)).to_contain_text(words)
    lab.shut_down(page)
