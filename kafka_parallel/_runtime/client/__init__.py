"""What does kafka-python do, and how is one of its consumers used for the time of a run?

The rooms `loop` and `handlers` import it, and nothing else here knows kafka-python. Its parts: the consumer as a run
uses it (`consumer_adapter`, `rebalance_listener`, `membership`, `fencing`, `client_errors`, `reconnects`), taking it
over (`takeover`, `changes`, `guarded_class`, `refusals`, `detours`, `own_calls`, `pauses`), how it fetches and decodes
(`fetcher_patch`, `decoding`, `slices`, `prefetched`, `unreadable`, `deserializers`), and what can be used at all
(`consumer_checks`, `signatures`, `forks`).
"""
