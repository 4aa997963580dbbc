"""Pictures and style sheets that several pages of the site share."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from kits_msan.course.site.shared import pictures_apart, styles_apart


def figure(kind: str, channels: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, channels), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def embedded(kind: str, data: bytes) -> str:
    return f'<img alt="a &quot;b&quot;" src="data:image/{kind};base64,{base64.encodebytes(data).decode()}">'


def test_pictures_keep_each_pixel(tmp_path: Path) -> None:
    """A PNG also the color of what is transparent; a JPEG each byte."""
    pngs = [figure("PNG", 3, seed=1), figure("PNG", 4, seed=2), figure("PNG", 3, seed=1)]
    jpeg = figure("JPEG", 3, seed=3)
    page = pictures_apart("".join(embedded("png", png) for png in pngs) + embedded("jpeg", jpeg), tmp_path)
    assert page.count('<img alt="a &quot;b&quot;" src="pictures/') == 4
    *sources, last = re.findall('src="([^"]+)"', page)
    assert sources[0] == sources[2] != sources[1]
    for png, source in zip(pngs, sources, strict=True):
        with Image.open(io.BytesIO(png)) as wanted, Image.open(tmp_path / source) as seen:
            assert seen.mode == wanted.mode
            assert seen.tobytes() == wanted.tobytes()
    assert (tmp_path / last).read_bytes() == jpeg


def test_what_is_no_picture_stays(tmp_path: Path) -> None:
    whole = figure("PNG", 3, seed=1)
    page = embedded("png", b"no picture") + embedded("png", whole[:300]) + '<img src="data:image/png;base64,A">'
    assert pictures_apart(page, tmp_path) == page
    assert list(tmp_path.iterdir()) == []


def test_pages_share_their_styles(tmp_path: Path) -> None:
    pages = {"a.html": ("b { top: 0 }", "i { left: 0 }"), "one/two/c.html": ("i { left: 0 }", "u { right: 0 }")}
    for name, styles in pages.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"<style>{style}</style>\n" for style in styles)
        (tmp_path / name).write_text(f"<title>t</title>{text}<p>p", encoding="utf-8")
    styles_apart(tmp_path)
    assert len(list(tmp_path.glob("*.css"))) == 3
    for name, styles in pages.items():
        page = (tmp_path / name).read_text(encoding="utf-8")
        sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page)
        assert [((tmp_path / name).parent / sheet).read_text(encoding="utf-8") for sheet in sheets] == list(styles)
        assert page.startswith("<title>t</title><link")
        assert page.endswith("<p>p")
