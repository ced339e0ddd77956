"""The part of the service that has nothing to do with Kafka: a payment service, and a ledger of charges."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time


class PaymentsUnavailableError(Exception):
    """The payment service did not answer; a later attempt may succeed."""


class Ledger:
    """Charged orders, in a file. An order that is handled twice is charged once; ``times`` counts how often."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, check_same_thread=False)
        self.lock = threading.Lock()
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=NORMAL")
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS charges (number INTEGER PRIMARY KEY, customer, amount, times, charged_at)"
        )

    def add(self, order):
        with self.lock, self.database:
            self.database.execute(
                "INSERT INTO charges VALUES (?, ?, ?, 1, ?) ON CONFLICT (number) DO UPDATE SET times = times + 1",
                (order["number"], order["customer"], order["amount"], time.time()),
            )

    def summary(self):
        with self.lock:
            query = "SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(times - 1), 0) FROM charges"
            orders, amount, repeats = self.database.execute(query).fetchone()
        return f"{orders} orders charged, {amount} in all, {repeats} handled again"


def charge(record, ledger, outage=0.0):
    """Charge one order: wait for the payment service like a network call does, then note it."""
    order = json.loads(record.value)
    time.sleep(0.02)
    if random.random() < outage:
        raise PaymentsUnavailableError(f"no answer for order {order['number']}")
    ledger.add(order)
