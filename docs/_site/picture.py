"""Draws docs/explanation/architecture.svg from architecture.txt: ``python -m docs._site.picture``.

Threads go across, data goes along. The text has a line for each band (``band NAME``), box (``box NAME @ BAND COLUMN:
TEXT``) and arrow (``A -> B: TEXT``, or ``A ~> B`` for a dashed one); ``/`` breaks a line of text.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "explanation"
SOURCE, PICTURE = FOLDER / "architecture.txt", FOLDER / "architecture.svg"
BAND, COLUMN, LEFT, BOX_WIDTH, BOX_HEIGHT, LINE = 104, 168, 150, 132, 58, 15
STYLE = """text{font:12px sans-serif;fill:#222}.band{fill:#f4f5f7}.band.locked{fill:#fdf0d5}.name{font-weight:bold}
.box{fill:#fff;stroke:#456}.arrow{fill:none;stroke:#456;stroke-width:1.4;marker-end:url(#tip)}.dashed
{stroke-dasharray:5 4}.label,.halo{font-size:11px;fill:#345}.halo{stroke:#fff;stroke-width:4px}"""


class Box(NamedTuple):
    """A box, by the middle of it."""

    x: float
    y: float
    text: str


def read(text: str) -> tuple[list[str], dict[str, Box], list[tuple[str, str, str, str]]]:
    """The bands, the boxes by name, and the arrows with their kind and text."""
    bands: list[str] = re.findall(r"^band (.*)$", text, re.MULTILINE)
    names = [band.split(":")[0] for band in bands]
    boxes = {
        name: Box(LEFT + (float(column) + 0.5) * COLUMN, (names.index(band) + 0.5) * BAND, said)
        for name, band, column, said in re.findall(r"^box (\w+) @ (\w+) ([\d.]+): (.*)$", text, re.MULTILINE)
    }
    arrows = re.findall(r"^(\w+) ([-~]>) (\w+)(?:: (.*))?$", text, re.MULTILINE)
    return bands, boxes, arrows


def lines(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    """Text of several lines around the point."""
    rows = text.split(" / ")
    top = y - (len(rows) - 1) * LINE / 2 + 4
    return "".join(
        f'<text class="{kind}" x="{x:g}" y="{top + number * LINE:g}" text-anchor="{anchor}">{escape(row)}</text>\n'
        for number, row in enumerate(rows)
    )


def band(number: int, text: str, width: float) -> str:
    """One thread, or one place without a thread of its own."""
    name, _, said = text.partition(": ")
    kind = "band locked" if name == "lock" else "band"
    top = number * BAND
    shape = f'<rect class="{kind}" x="0" y="{top + 3:g}" width="{width:g}" height="{BAND - 6:g}" rx="6"/>\n'
    return shape + lines(12, top + BAND / 2, said, "name", "start")


def box(found: Box) -> str:
    """One step."""
    x, y = found.x - BOX_WIDTH / 2, found.y - BOX_HEIGHT / 2
    shape = f'<rect class="box" x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>\n'
    return shape + lines(found.x, found.y, found.text, "said")


def edge(start: Box, end: Box) -> tuple[float, float, float, float]:
    """From the side of one box to the side of the other."""
    dx, dy = end.x - start.x, end.y - start.y
    if abs(dx) < BOX_WIDTH:
        sign = 1 if dy > 0 else -1
        return start.x, start.y + sign * BOX_HEIGHT / 2, end.x, end.y - sign * (BOX_HEIGHT / 2 + 3)
    sign = 1 if dx > 0 else -1
    return start.x + sign * BOX_WIDTH / 2, start.y, end.x - sign * (BOX_WIDTH / 2 + 3), end.y


def arrow(start: Box, end: Box, kind: str, text: str) -> str:
    """The way of a record or of an offset; dashed: a decision that goes back."""
    x1, y1, x2, y2 = edge(start, end)
    dashed = " dashed" if kind == "~>" else ""
    path = f'<path class="arrow{dashed}" d="M{x1:g} {y1:g} L{x2:g} {y2:g}"/>\n'
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return path + (lines(x, y, text, "halo") + lines(x, y, text, "label") if text else "")


def picture(text: str) -> str:
    """The whole picture."""
    bands, boxes, arrows = read(text)
    width = max(found.x for found in boxes.values()) + BOX_WIDTH / 2 + 14
    size = f'width="{width:g}" height="{len(bands) * BAND}" viewBox="0 0 {width:g} {len(bands) * BAND}"'
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    return "".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<style>{STYLE}</style>\n',
        f'<defs>{tip}<path d="M0 0 L8 4 L0 8 z" fill="#456"/></marker></defs>\n',
        *(band(number, said, width) for number, said in enumerate(bands)),
        *(arrow(boxes[start], boxes[end], kind, said) for start, kind, end, said in arrows),
        *map(box, boxes.values()),
        "</svg>\n",
    ])  # fmt: skip


if __name__ == "__main__":
    PICTURE.write_text(picture(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
