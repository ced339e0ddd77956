"""Write the tables that are made of the code into the pages of the reference: ``python -m docs._site.write_tables``."""

from __future__ import annotations

import sys

from docs._site import name_tables, settings_tables

if __name__ == "__main__":
    for page, owner in settings_tables.pages().items():
        page.write_text(settings_tables.with_table(page.read_text(), owner))
        sys.stdout.write(f"{page.name}\n")
    for page in name_tables.pages():
        page.write_text(name_tables.with_tables(page.read_text()))
        sys.stdout.write(f"{page.name}\n")
