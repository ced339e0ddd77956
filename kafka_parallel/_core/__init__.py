"""Which record may run, and which offset may be committed? Pure decisions over plain data: no I/O, no thread, no clock,
no Kafka; time is an argument.

Everything above may import it, it imports only public values. Its parts: what a record is on its way (`task`,
`task_batch`, `chunk`, `batch_chunk`, `outcome`), what is ours (`assignment`, `offsets`), how far an order reaches
(`lane_scope`), what may run (`ordering`, `fairness`, `batch_queue`, `batch_groups`, `retries`), what bounds it
(`buffer_limits`, `in_flight_limits`, `rate_limits`, `backpressure`), what is due or late (`commit_schedule`, `overdue`,
`standstill`, `gaps`), and all of it together (`backlog`, `dispatch`, `scheduler`).
"""
