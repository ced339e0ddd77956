"""The small-scope proof: the real core through every order of every act.

See docs/decisions/0051-core-is-explored.md.
"""
