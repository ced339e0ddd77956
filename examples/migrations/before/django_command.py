"""``manage.py bill_orders``: creates an invoice for each order, until SIGTERM or Ctrl-C."""

import logging
import os
import signal

import httpx
from billing.models import Invoice
from django.core.management.base import BaseCommand
from django.db import close_old_connections
from kafka import KafkaConsumer

client = httpx.Client(base_url=os.environ.get("API", "http://localhost:8000"), timeout=10)


def bill(record):
    payment = {"partition": record.partition, "offset": record.offset, "amount": int(record.value)}
    client.post("/payments", json=payment).raise_for_status()
    Invoice.objects.create(topic_partition=record.partition, topic_offset=record.offset, amount=payment["amount"])


class Command(BaseCommand):
    help = "Creates an invoice for each order."
    stopping = False

    def stop(self, *_):
        self.stopping = True

    def handle(self, **options):
        logging.basicConfig(level=logging.WARNING)
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        consumer = KafkaConsumer(
            os.environ.get("TOPIC", "orders"),
            group_id=os.environ.get("GROUP", "billing"),
            bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        while not self.stopping:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    close_old_connections()
                    bill(record)
            consumer.commit()
        consumer.close()
