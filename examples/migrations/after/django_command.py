"""``manage.py bill_orders``: creates an invoice for each order, until SIGTERM or Ctrl-C."""

import logging
import os

import httpx
from billing.models import Invoice
from django.core.management.base import BaseCommand
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer

client = httpx.Client(base_url=os.environ.get("API", "http://localhost:8000"), timeout=10)


def bill(record):
    payment = {"partition": record.partition, "offset": record.offset, "amount": int(record.value)}
    client.post("/payments", json=payment).raise_for_status()
    Invoice.objects.create(topic_partition=record.partition, topic_offset=record.offset, amount=payment["amount"])


class Command(BaseCommand):
    help = "Creates an invoice for each order."

    def handle(self, **options):
        logging.basicConfig(level=logging.WARNING)
        consumer = KafkaConsumer(
            os.environ.get("TOPIC", "orders"),
            group_id=os.environ.get("GROUP", "billing"),
            bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        plugins = ["django", ("retry", {"never_retry": [ValueError]}), "dlq"]
        ParallelConsumer(consumer, workers=8, plugins=plugins).run(bill)
