"""A FastAPI service that bills orders in the background: run it with ``uvicorn fastapi_service:app``."""

import asyncio
import logging
import os
import sqlite3
import threading
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Response
from kafka import KafkaConsumer

DATABASE = os.environ.get("DATABASE", "payments.db")
client = httpx.Client(base_url=os.environ.get("API", "http://localhost:8000"), timeout=10)
stopping = threading.Event()


def connect():
    return sqlite3.connect(DATABASE, timeout=60)


def bill(record):
    payment = {"partition": record.partition, "offset": record.offset, "amount": int(record.value)}
    client.post("/payments", json=payment).raise_for_status()
    with connect() as connection:
        connection.execute("insert into payments values (:partition, :offset, :amount)", payment)


def consume():
    with connect() as connection:
        connection.execute("create table if not exists payments (topic_partition, topic_offset, amount)")
    consumer = KafkaConsumer(
        os.environ.get("TOPIC", "orders"),
        group_id=os.environ.get("GROUP", "billing"),
        bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    while not stopping.is_set():
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                bill(record)
        consumer.commit()
    consumer.close()


@asynccontextmanager
async def lifespan(app):
    app.state.thread = thread = threading.Thread(target=consume)
    thread.start()
    yield
    stopping.set()
    await asyncio.to_thread(thread.join)


logging.basicConfig(level=logging.WARNING)
app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health(response: Response):
    alive = app.state.thread.is_alive()
    response.status_code = 200 if alive else 503
    return {"alive": alive}
