"""The client: the behaviour of kafka-python, and the use of one of its consumers for the time of a run.

The rooms `loop` and `handlers` import it, and nothing else here knows kafka-python. Its parts: the consumer as a run
uses it (`consumer_adapter`, `async_commits`, `joint_commits`, `client_errors`), its brokers and partitions
(`connections`, `reconnects`, `client_partitions`, `user_seeks`, `end_offsets`, `stable_ends`), its place in the group
(`rebalance_listener`, `membership`, `coordinator`, `fetching_while_joining`, `fencing`), taking it over (`takeover`,
`changes`, `guarded_class`, `refusals`, `detours`, `own_calls`, `polled_records`, `pauses`, `extra_topics`), fetching
and decoding (`fetch_waits`, `fetcher_patch`, `reading_trial`, `decoding`, `decoder_check`, `replaced_code`, `slices`,
`prefetched`, `unreadable`, `deserializers`, `lazy_deserializers`, `own_headers`; `decoding`, `slices` and `unreadable`
stand in for the client's reader of batches, and use its private attributes), and checks of usability
(`consumer_checks`, `signatures`, `forks`, `process_guards`).
"""
