"""Where a run goes: the terminal, the history, and the documentation."""

from __future__ import annotations

import subprocess

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
    name = "peers" if run.has_peers else "index"
    DOCS.mkdir(exist_ok=True)
    (DOCS / f"{name}.md").write_text(page(run, f"{name}.png"), encoding="utf-8")
    try:
        command = [*prepare("plot"), "-m", "benchmarks.plot", str(history.HISTORY), str(DOCS / f"{name}.png")]
    except Missing as reason:
        console.print(f"no picture: matplotlib is not installed: {reason}")
        return
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    if done.returncode:
        console.print(f"no picture: {last_words(done.stderr)}")
