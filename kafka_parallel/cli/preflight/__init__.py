"""Everything that can be known about a consumer before it starts: is it right, and does it suit its cluster?

Facts are fetched in two modules, `cluster_questions` and `installation`; the intended consumer is `intended`. All else
here judges them: pure functions from facts to findings, which tests give any facts they like. Nothing joins a group,
consumes, produces or creates a topic.
"""

from __future__ import annotations

__all__ = ()
