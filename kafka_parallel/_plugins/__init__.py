"""The plugins of a consumer, and the answers of their hooks.

`_runtime` and `_consumer` import it; it knows no run. Its parts: finding and registering them (`loading`, `manager`,
`implementations`), calling their hooks (`hooks`: a line for each of them; `chains`: how), the objects they provide and
their answers (`provided`, `answers`), and which choices go together (`combinations`).
"""
