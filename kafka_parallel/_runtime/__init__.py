"""How does a run go on? Everything that touches a thread, a clock or a broker.

Only `_consumer` and the simulation import it. Its rooms: `loop` stands on `handlers`, that on `client`, and all of them
on `clock`; no import runs back up.
"""
