"""Everything that can be known about a consumer before it starts: is it right, and does it suit its cluster?

Facts are fetched in two modules, `cluster_questions` (they are `cluster_facts`) and `installation`. `from_config` makes
the intended consumer, `intended`: it imports the handler, loads the plugins, and calls a factory of the user's, whose
consumer connects as it does in a run. All else here judges: functions from facts to findings (`findings`,
`finding_lines` shows them), which tests give any facts they like. Nothing here joins a group, consumes, produces or
creates a topic.

A new check goes where its subject is: `topic_findings` (topics that are read), `need_findings` (topics that are
written), `group_findings`, `time_findings`, `buffer_findings`, `combination_findings` (handler, executor, ordering and
plugins), `installation`. The commands ``check`` and ``doctor`` (``kafka_parallel/cli/check.py``, ``doctor.py``) call
them: ``check`` those about the cluster and this Python, ``doctor`` those about settings, and both some of the others.
"""

from __future__ import annotations

__all__ = ()
