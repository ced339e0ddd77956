"""Everything that can be known about a consumer before it starts: is it right, and does it suit its cluster?

Facts are fetched in two modules, `cluster_questions` (they are `cluster_facts`) and `installation`; the intended
consumer is `intended`, which `from_config` makes. All else here judges them: pure functions from facts to findings
(`findings`, `finding_lines`), which tests give any facts they like. Nothing joins a group, consumes, produces or
creates a topic.

A new check goes where its subject is: `topic_findings` (topics that are read), `need_findings` (topics that are
written), `group_findings`, `time_findings`, `buffer_findings`, `combination_findings` (handler, executor, ordering and
plugins), `installation`. The command ``check`` (``kafka_parallel/cli/check.py``) calls them.
"""

from __future__ import annotations

__all__ = ()
