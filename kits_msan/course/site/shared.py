"""What several pages hold becomes files that they share, which take less room: pictures, and pdoc's style sheets."""

import base64
import hashlib
import io
import os
import re
from functools import lru_cache
from pathlib import Path

from PIL import Image

PICTURES = "pictures"
EMBEDDED = re.compile(r'src="data:image/(png|jpeg);base64,([^"]*)"')
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def pictures_apart(page: str, folder: Path) -> str:
    """The HTML of a page of `folder` whose pictures lie in `folder`/pictures, PNG as lossless WebP.

    That takes a third of the room: base64 costs a third more, and WebP a half less than PNG.
    """

    def apart(found: re.Match[str]) -> str:
        kind, text = found.groups()
        try:
            data = base64.b64decode(text)
            if kind == "png":
                kind, data = "webp", _webp(data)
        except Exception:  # of a notebook of one's own: no picture, which a browser says best
            return found[0]
        name = f"{PICTURES}/{hashlib.sha256(data).hexdigest()[:16]}.{kind}"
        (folder / PICTURES).mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        return f'src="{name}"'

    return EMBEDDED.sub(apart, page)


@lru_cache(64)  # the README's pictures are on two pages
def _webp(png: bytes) -> bytes:
    """The same pixels."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(
            stream, "WEBP", lossless=True, exact=True, quality=100, icc_profile=picture.info.get("icc_profile")
        )
    return stream.getvalue()


def styles_apart(folder: Path) -> None:
    """Take the style sheets out of the pages in `folder`, which hold the same ones, 20 kB a page."""
    names: dict[str, str] = {}
    for page in sorted(folder.rglob("*.html")):

        def link(found: re.Match[str], up: str = os.path.relpath(folder, page.parent)) -> str:
            name = names.setdefault(found[1], f"style-{len(names) + 1}.css")
            return f'<link rel="stylesheet" href="{Path(up, name).as_posix()}">'

        page.write_text(STYLE.sub(link, page.read_text(encoding="utf-8")), encoding="utf-8")
    for style, name in names.items():
        (folder / name).write_text(style, encoding="utf-8")
