"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "kafka-parallel"
author = "the authors of kafka-parallel"
version = release = version("kafka-parallel")

extensions = ["myst_parser", "sphinx.ext.autodoc", "docs._site"]
exclude_patterns = ["_*", "changelog/*"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
default_role = "any"  # `name` in a docstring: whatever the reference documents by that name
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "kafka-parallel"
html_copy_source = False
html_show_copyright = False

nitpicky = True
# Variables of types, a type that is an argument of another, and an alias that the text of run_all() explains.
nitpick_ignore_regex = [("py:class", r"[A-Z]|Callable\[.*\]|ConsumerAndHandler")]
