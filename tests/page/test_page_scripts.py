"""The scripts of the pages, each joined from files that share one room for their names."""

import re
from collections import Counter

import pytest

from kits_msan.page.scripts import compute_script, segment_script
from kits_msan.viewer.scripts import page_script, widget_script

NAMES = re.compile(r"^(?:async )?(?:function|class) (\w+)|^const (\w+) =|^let (\w+) =", re.MULTILINE)


@pytest.mark.parametrize(
    "script",
    [
        compute_script(),
        segment_script({"networks": [], "scans": []}),
        page_script(),
        widget_script(),
    ],
    ids=["compute", "segment", "page", "widget"],
)
def test_no_two_files_give_one_name_to_different_things(script: str) -> None:
    """The later function would silently take the place of the earlier."""
    names = Counter(next(filter(None, found)) for found in NAMES.findall(script))
    assert len(names) > 10
    assert [name for name, count in names.items() if count > 1] == []
