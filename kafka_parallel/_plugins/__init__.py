"""The plugins of a consumer, and the answers of their hooks.

`_runtime` and `_consumer` import it; it knows no run. Its parts: finding and registering them (`installed`, `loading`,
`manager`, `implementations`), one run per object (`claims`), calling their hooks (`hooks`: a line for each of them;
`chains`: how; `scopes`: the cheap kind of wrapper; `plugin_errors`: their errors are counted), the objects they provide
and their answers (`provided`, `answers`), and which choices go together (`combinations`).
"""
