"""``python -m kafka_parallel.cli``."""

from kafka_parallel.cli import main

main()
