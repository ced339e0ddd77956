"""The small-scope proof: the real core through every order of every act; see `docs/explanation/design.md`."""
