"""The destinations of a run: the terminal, the history, and the documentation."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import history
from benchmarks.environments import ROOT, Missing, last_words, prepare
from benchmarks.page import page
from benchmarks.panels import panels, text_plot
from benchmarks.rows import Run
from benchmarks.sheets import TEXT, Sheet, sheets

DOCS = ROOT / "docs" / "benchmarks"


def show(run: Run, console: Console) -> None:
    """Print the tables and the plot."""
    for sheet in sheets(run):
        console.print(_table(sheet))
    for panel in panels(run):
        console.print(text_plot(panel), highlight=False)


def _table(sheet: Sheet) -> Table:
    shown = Table(title=sheet.title, title_justify="left")
    for column in sheet.columns:
        shown.add_column(column, justify="left" if column in TEXT else "right")
    for line in sheet.lines:
        shown.add_row(*line)
    return shown


def store(run: Run, console: Console) -> None:
    """Add *run* to the history, and write its page and its picture."""
    history.append(run)
    DOCS.mkdir(exist_ok=True)
    place = DOCS / ("peers.md" if run.has_peers else "index.md")
    picture = place.with_suffix(".png")
    problem = draw(picture)
    if problem:
        console.print(f"no picture: {problem}")
    place.write_text(page(run, "" if problem else picture.name), encoding="utf-8")


def draw(picture: Path) -> str:
    """Draw the newest run of the history into *picture*; return why that did not work, or nothing."""
    try:
        command = [*prepare("plot"), "-m", "benchmarks.plot", str(history.HISTORY), str(picture)]
    except Missing as reason:
        return f"matplotlib is not installed: {reason}"
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    return last_words(done.stderr) if done.returncode else ""
