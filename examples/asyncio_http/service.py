"""An asyncio service that calls an HTTP API for each record, with one client for all handlers."""

import asyncio
import os
import signal

import httpx
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer
from kafka_parallel.resources import WorkerResource

API = os.environ.get("API", "http://localhost:8000")
clients: WorkerResource[httpx.AsyncClient] = WorkerResource(
    "client",
    open=lambda: httpx.AsyncClient(base_url=API, timeout=10),
    is_broken=lambda client, error: client.is_closed,
)


async def bill(record):
    answer = await clients.get().post(
        "/payments", json={"partition": record.partition, "offset": record.offset, "amount": int(record.value)}
    )
    answer.raise_for_status()


def build():
    consumer = KafkaConsumer(
        os.environ.get("TOPIC", "orders"),
        group_id=os.environ.get("GROUP", "billing"),
        bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
        auto_offset_reset="earliest",
    )
    return ParallelConsumer(consumer, workers=50, plugins=[clients, "retry"])  # retry outlasts an outage of a minute


async def main():
    consumer = await asyncio.to_thread(build)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, consumer.stop)
    await consumer.run_async(bill)


if __name__ == "__main__":
    asyncio.run(main())
