"""An asyncio service that sends a payment to an HTTP API for each order."""

import asyncio
import functools
import logging
import os
import signal

import httpx
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer

API = os.environ.get("API", "http://localhost:8000")


async def bill(client, record):
    payment = {"partition": record.partition, "offset": record.offset, "amount": int(record.value)}
    answer = await client.post("/payments", json=payment)
    answer.raise_for_status()


def build():
    return KafkaConsumer(
        os.environ.get("TOPIC", "orders"),
        group_id=os.environ.get("GROUP", "billing"),
        bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


async def main():
    logging.basicConfig(level=logging.WARNING)
    plugins = [("retry", {"never_retry": [ValueError]}), "dlq"]
    consumer = ParallelConsumer(await asyncio.to_thread(build), workers=50, plugins=plugins)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, consumer.stop)
    async with httpx.AsyncClient(base_url=API, timeout=10) as client:
        await consumer.run_async(functools.partial(bill, client))


if __name__ == "__main__":
    asyncio.run(main())
