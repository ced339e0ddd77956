"""The configuration of a consumer that the command runs: a TOML file, environment variables and flags, one schema.

`precedence` puts them together: a flag counts before the environment, that before the file, that before the
default. Its parts: the settings that there are (`schema`), the values that each takes (`value_kinds`), those that may
not be written down (`secrets`), the places where they are written (`toml_file`, `toml_text`, `variables`, `flags`), one
of them when it is checked (`settings`), the plugins (`plugin_settings`), and the result (`run_config`). Nothing here
connects or imports user code.

A new key of the file is a line in `schema`; one above all tables is a field of `RunConfig`, too. A new option of
`ParallelConsumer` is a key by itself if `schema` knows its type.
"""

from __future__ import annotations

__all__ = ()
