"""Write the tables of settings into the pages of the plugins: ``python -m docs._site.write_settings_tables``."""

from __future__ import annotations

import sys

from docs._site.settings_tables import pages, with_table

if __name__ == "__main__":
    for page, owner in pages().items():
        page.write_text(with_table(page.read_text(), owner))
        sys.stdout.write(f"{page.name}\n")
