"""The plugins that ship with kafka-parallel, on the same terms as anyone's: found by entry point, public names only.

A plugin is the module or the package of its name: executors (`thread_pool`, `event_loop` for ``asyncio``,
`process_pool`, `futures`), orderings (`key_ordered`, `partition_queue`), failures (`retry`, `retry_topics`, `dlq`,
`circuit_breaker`), bounds (`adaptive_concurrency`, `rate_limit`, `topic_workers`), fewer repeats (`dedup`,
`exactly_once`, `offset_map`), decoding (`fast_decoder`), Django (`django`), and observation (`health`, `log_context`,
`opentelemetry`, `prometheus`, `timing_metrics`, `top`). Several plugins share `background_server`, `chunk_size`,
`coroutine_stack`, `exact_timers`, `heavy_hitters` and `key_names`.
"""

__all__ = ()
