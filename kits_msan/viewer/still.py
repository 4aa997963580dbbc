"""The still picture of the slice viewer, for notebooks that are read where there is no kernel.

It is painted with the rules of `js/drawing.js`: same colors, same window.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kits_msan.data.cases import window as windowed

# Blue and orange of Okabe and Ito's palette, and three that differ from these, from each other and, half transparent,
# from the grays under them, also for people without red or green cones (our choice; test_viewer.py measures it).
CLASS_COLORS = {"kidney": "#56B4E9", "tumor": "#E69F00"}
ERROR_COLORS = {"missed": "#5A1EFF", "invented": "#F5FF8A", "wrong class": "#556600"}
CODE_COLORS = ("#000000", *CLASS_COLORS.values(), *ERROR_COLORS.values())
HEAT_COLORS = tuple(to_hex(color) for color in matplotlib.colormaps["viridis"](np.arange(256)))
MISSED, INVENTED, WRONG_CLASS = 3, 4, 5
SIDES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}  # of the patient, at left, right, top, bottom

WIDEST_ALONE = 320  # pixels of the still picture, as the next five
WIDEST = 260
GAP = 4
TITLE_HEIGHT = 22
SCALE_HEIGHT = 18  # of a heat map's color bar
SQUARE = 12  # of the legend
PICTURE_BYTES = 60_000
FONT = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), 12)  # Pillow's is Latin


def label_picture(
    hounsfield: NDArray[np.int16],
    codes: NDArray[np.uint8],
    wrong: NDArray[np.uint8] | None,
    mode: str,
    opacity: float,
    window: Sequence[float],
) -> NDArray[np.uint8]:
    """One slice with its labels, (rows, columns, 3) RGB; all inputs (rows, columns).

    wrong: in the errors mode `errors`, to be painted over the outline of `codes`, then the truth; else None.
    """
    if mode == "outline":
        codes, opacity = _outline(codes), 1.0
    elif wrong is not None:
        codes = np.where(wrong > 0, wrong, _outline(codes)).astype(np.uint8)
    return _paint(hounsfield, codes, CODE_COLORS, np.where(codes > 0, opacity, 0.0), window)


def heat_picture(
    hounsfield: NDArray[np.int16], heat: NDArray[np.uint8], opacity: float, window: Sequence[float]
) -> NDArray[np.uint8]:
    """One slice under a heat map in 256 steps, (rows, columns, 3) RGB; all inputs (rows, columns)."""
    return _paint(hounsfield, heat, HEAT_COLORS, np.full(heat.shape, opacity), window)


def jpeg(
    pictures: Mapping[str, NDArray[np.uint8]],
    pixel: tuple[float, float],
    scales: Mapping[str, tuple[float, float]],
    legend: Mapping[str, str],
    sides: str,
    caption: str,
) -> bytes:
    """Titled (rows, columns, 3) pictures side by side, in their true shape, as a JPEG of at most about 60 kB.

    pixel: height and width of one of their pixels, mm. scales: the lowest and highest value of each heat map, which
    stand at the ends of a bar below it. legend: names and colors, below all. sides: as in SIDES. caption: above all.
    """
    columns = {1: 1, 2: 2, 4: 2}.get(len(pictures), 3)
    lines = -(-len(pictures) // columns)
    rows, cols = next(iter(pictures.values())).shape[:2]
    size = WIDEST_ALONE if lines == 1 else WIDEST  # of the longer side
    aspect = cols * pixel[1] / (rows * pixel[0])
    width, height = max(1, round(size * min(1, aspect))), max(1, round(size / max(1, aspect)))
    step = height + TITLE_HEIGHT + (SCALE_HEIGHT if scales else 0)
    places = np.cumsum([2.0, *(SQUARE + 20 + FONT.getlength(name) for name in legend)])  # of the legend's squares
    wide = max(columns * (width + GAP) - GAP, round(places[-1]), round(FONT.getlength(caption)) + 4)
    sheet = Image.new("RGB", (wide, TITLE_HEIGHT + lines * step + (TITLE_HEIGHT if legend else 0)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 4), caption, fill="black", font=FONT)
    for place, (name, picture) in enumerate(pictures.items()):
        left, top = place % columns * (width + GAP), TITLE_HEIGHT + place // columns * step
        draw.text((left + 2, top + 4), _fit(name, width - 2 if columns > 1 else wide - 2), fill="black", font=FONT)
        sheet.paste(Image.fromarray(picture).resize((width, height)), (left, top + TITLE_HEIGHT))
        _draw_sides(draw, (left, top + TITLE_HEIGHT, left + width, top + TITLE_HEIGHT + height), sides)
        if name in scales:
            _draw_scale(draw, (left, top + TITLE_HEIGHT + height), width, scales[name])
    bottom = sheet.height - TITLE_HEIGHT
    for left, (name, color) in zip(places, legend.items(), strict=False):
        draw.rectangle((left, bottom + 5, left + SQUARE, bottom + 5 + SQUARE), color, "black")
        draw.text((left + SQUARE + 6, bottom + 4), name, fill="black", font=FONT)
    for quality in (80, 60, 40, 20):
        stream = io.BytesIO()
        sheet.save(stream, "JPEG", quality=quality)
        if stream.tell() <= PICTURE_BYTES:
            break
    return stream.getvalue()


def _fit(text: str, width: float) -> str:
    """The text on one line; what is wider than `width` ends in an ellipsis."""
    text = whole = " ".join(text.split())
    while whole and FONT.getlength(text) > width:
        whole = whole[:-1]
        text = f"{whole}\u2026"
    return text


def _draw_sides(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], sides: str) -> None:
    """The patient's sides within the (left, top, right, bottom) of a picture; none that would lie over another."""
    (x1, y1, x2, y2), middle = box, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    places = [
        (x1 + 4, middle[1], "lm"),
        (x2 - 4, middle[1], "rm"),
        (middle[0], y1 + 3, "ma"),
        (middle[0], y2 - 4, "ms"),
    ]
    fit = [x2 - x1 >= 32 and y2 - y1 >= 18] * 2 + [y2 - y1 >= 44] * 2  # as in viewer.css
    for side, (x, y, anchor), fits in zip(sides, places, fit, strict=True):
        if fits:
            draw.text((x, y), side, "white", FONT, anchor, stroke_width=1, stroke_fill="black")


def _draw_scale(draw: ImageDraw.ImageDraw, corner: tuple[int, int], width: int, ends: tuple[float, float]) -> None:
    """A bar of all heat colors between its two ends, as the viewer has it below a heat map."""
    low, high = (f"{end:.3g}" for end in ends)
    (left, top), right = corner, corner[0] + width - 2 - round(FONT.getlength(high))
    draw.text((left + 2, top + 2), low, fill="black", font=FONT)
    draw.text((right, top + 2), high, fill="black", font=FONT)
    first, last = left + 8 + round(FONT.getlength(low)), right - 6
    for x in range(first, last):
        color = HEAT_COLORS[255 * (x - first) // max(1, last - 1 - first)]
        draw.line((x, top + 4, x, top + SCALE_HEIGHT - 4), color)


def image_tag(picture: bytes, alt: str) -> str:
    """An HTML image that holds its own JPEG."""
    return f'<img alt="{html.escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'


def _outline(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep a code only where one of its four neighbors differs."""
    padded = np.pad(codes, 1, mode="edge")
    inside = np.ones(codes.shape, bool)
    for neighbor in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inside &= neighbor == codes
    return np.where(inside, 0, codes).astype(np.uint8)


def errors(codes: NDArray[np.uint8], truth: NDArray[np.uint8], shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is wrong in (rows, columns) labels, 0 where nothing is, nor a class in which shown, (3,), is not 0.

    All classes count, as to hide one must not change what an error is called.
    """
    wrong = np.where(codes == 0, MISSED, np.where(truth == 0, INVENTED, WRONG_CLASS))
    seen = (codes != truth) & ((shown[codes] > 0) | (shown[truth] > 0))
    return np.where(seen, wrong, 0).astype(np.uint8)


def _paint(
    hounsfield: NDArray[np.int16],
    codes: NDArray[np.uint8],
    colors: Sequence[str],
    alpha: NDArray[np.float64],
    window: Sequence[float],
) -> NDArray[np.uint8]:
    gray = (255 * windowed(hounsfield, window)).round()[..., None]  # (rows, columns, 1)
    palette = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in colors])  # (codes, 3)
    blend = gray + (palette[codes] - gray) * alpha[..., None]  # (rows, columns, 3)
    return blend.round().astype(np.uint8)
