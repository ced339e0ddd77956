"""Which plugins are there, and what do their hooks answer?

`_runtime` and `_consumer` import it; it knows no run. Its parts: finding and registering them (`loading`, `manager`,
`implementations`), calling their hooks (`hooks`: a line for each of them; `chains`: how), what they provide and answer
(`provided`, `answers`), and which choices go together (`combinations`).
"""
