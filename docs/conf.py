"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "kafka-parallel"
author = "the authors of kafka-parallel"
version = release = version("kafka-parallel")

extensions = ["myst_parser", "docs._site"]
exclude_patterns = ["_*", "changelog/*"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4

html_theme = "furo"
html_title = "kafka-parallel"
html_copy_source = False
html_show_copyright = False

nitpicky = True
