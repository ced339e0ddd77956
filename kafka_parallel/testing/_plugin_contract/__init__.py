"""The parts of `kafka_parallel.testing.PluginContract`.

A new rule is a test in `contract`. If a run shows the mistake, the sentence about it goes into `verdicts_on_runs`, and
a fact that no run has told so far into `Outcome` in `trial`. Parts:

- the plugin, and mistakes that can be seen without a run: `plugin_under_test`, `hook_shapes`
- one run and the things around the plugin: `trial`, `trial_handlers`, `observers`, `neighbours`, `rebalanced_runs`
- simulated runs with kills: `seeded_runs`
- state that no lock guards: `guarded_state`, `counted_state`, `interleaving`, `attempts_by_hand`
- cost, waits and leftovers: `call_profile`, `leaks`
"""
