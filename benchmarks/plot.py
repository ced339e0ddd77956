"""Draws the newest run of a history: ``python -m benchmarks.plot HISTORY PICTURE``, where matplotlib is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.history import read
from benchmarks.panels import Panel, panels

OURS, OTHERS = "#1f6f8b", "#c9c9c9"
COLUMNS = 3


def main() -> int:
    """Draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    history, picture = map(Path, sys.argv[1:])
    found = list(panels(read(history)[-1]))
    lines = -(-len(found) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(6 * COLUMNS, 3.2 * lines), squeeze=False)
    for axis in axes.flat[len(found) :]:
        axis.remove()
    for panel, axis in zip(found, axes.flat, strict=False):
        draw(panel, axis)
    figure.tight_layout()
    figure.savefig(picture, dpi=80, metadata={"Software": None})
    return 0


def draw(panel: Panel, axis: Any) -> None:
    """Draw *panel* as horizontal bars, the first one on top."""
    names, values, ours = zip(*panel.bars, strict=True)
    places = range(len(names))
    bars = axis.barh(places, values, color=[OURS if own else OTHERS for own in ours])
    axis.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
    axis.set_yticks(places, names, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.6)
    axis.set_xlim(0, max(values) * 1.15)
    axis.set_title(panel.heading, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main())
