"""The delays that throughput does not show: of a record, of a restart, of a rebalance, and of a start."""
