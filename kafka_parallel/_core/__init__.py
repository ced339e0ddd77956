"""The scheduling core: decides which record may run and which offset may be committed. Pure decisions over plain data:
no I/O, no thread, no clock, no Kafka; time is an argument.

Everything above may import it, it imports only public values. Its parts: a record on its way (`task`, `task_batch`,
`chunk`, `batch_chunk`, `outcome`), ownership (`assignment`, `offsets`, `offset_ranges`, `finished_before`), the reach
of an order (`lane_scope`), drops (`dropping`), the records that may run (`ordering`, `fairness`, `batch_queue`,
`batch_groups`, `retries`), bounds on starts (`admission`, with `in_flight_limits`, `group_limits`, `start_limit`,
`rate_limits`, `parking` and `times`) and on fetching (`backpressure`, `buffer_limits`), due and late acts
(`commit_schedule`, `unchanged`, `standstill`, `gaps`), facts for those who ask (`progress`, `log_ends`, `obstacles`),
and all of it together (`backlog`, `dispatch`, `scheduler`).
"""
