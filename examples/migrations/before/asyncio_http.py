"""An asyncio service that sends a payment to an HTTP API for each order."""

import asyncio
import logging
import os
import signal

import httpx
from kafka import KafkaConsumer

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
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    consumer = await asyncio.to_thread(build)
    async with httpx.AsyncClient(base_url=API, timeout=10) as client:
        while not stopping.is_set():
            polled = await asyncio.to_thread(consumer.poll, timeout_ms=500)
            for records in polled.values():
                for record in records:
                    await bill(client, record)
            await asyncio.to_thread(consumer.commit)
    await asyncio.to_thread(consumer.close)


if __name__ == "__main__":
    asyncio.run(main())
