"""A FastAPI service whose process consumes as well: run it with ``uvicorn service:app``."""

import asyncio
import os
import sqlite3
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer
from kafka_parallel.resources import WorkerResource

DATABASE = os.environ.get("DATABASE", "payments.db")


def connect():
    return sqlite3.connect(DATABASE, timeout=60)


connections: WorkerResource[sqlite3.Connection] = WorkerResource("connection", open=connect)


def bill(record):
    with connections.get() as connection:  # commits, or rolls back
        connection.execute(
            "insert into payments values (?, ?, ?)", (record.partition, record.offset, int(record.value))
        )


def build():
    with connect() as connection:
        connection.execute("create table if not exists payments (topic_partition, topic_offset, amount)")
    consumer = KafkaConsumer(
        os.environ.get("TOPIC", "orders"),
        group_id=os.environ.get("GROUP", "billing"),
        bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
        auto_offset_reset="earliest",
    )
    return ParallelConsumer(consumer, workers=8, plugins=[connections])


@asynccontextmanager
async def lifespan(app):
    app.state.consumer = consumer = await asyncio.to_thread(build)  # it connects, and must not hold up the event loop
    consumer.start(bill)
    try:
        yield
    finally:
        consumer.stop()
        await asyncio.to_thread(consumer.join)


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health(response: Response):
    state = app.state.consumer.state
    response.status_code = 200 if state in {"starting", "running"} else 503
    return {"consumer": state}


@app.get("/statistics")
def statistics():
    found = app.state.consumer.statistics()
    return {"processed": found.processed, "failed": found.failed, "uncommitted": found.uncommitted}
