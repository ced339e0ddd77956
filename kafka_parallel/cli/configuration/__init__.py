"""The configuration of a consumer that the command runs: a TOML file, environment variables and flags, one schema.

`precedence.load` puts them together: a flag counts before the environment, that before the file, that before the
default. Its parts: the settings that there are (`schema`), the values that each takes (`value_kinds`), those that may
not be written down (`secrets`), the places where they are written (`toml_file`, `variables`, `flags`), and the result
(`run_config`). Nothing here connects or imports user code.
"""

from __future__ import annotations

__all__ = ()
