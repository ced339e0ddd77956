"""Hands records to Celery: a record is done when the broker of Celery has taken its task."""

import os

from celery import Celery
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer

app = Celery("billing", broker=os.environ.get("CELERY_BROKER", "redis://localhost"))
if folder := os.environ.get("CELERY_FOLDER"):  # for a broker on the file system, as in tests
    app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder}


@app.task(acks_late=True)
def bill(partition, offset, amount):
    """Runs in a worker of Celery: ``celery -A service worker``."""
    print(f"bill {amount} for {partition}@{offset}")


def hand_over(record):
    bill.apply_async(
        args=(record.partition, record.offset, int(record.value)),
        task_id=f"{record.topic}-{record.partition}-{record.offset}",  # the same again if the record is repeated
        retry=False,  # an error fails the record, and the plugin retry decides
    )


def main():
    consumer = KafkaConsumer(
        os.environ.get("TOPIC", "orders"),
        group_id=os.environ.get("GROUP", "billing"),
        bootstrap_servers=os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
        auto_offset_reset="earliest",
    )
    ParallelConsumer(consumer, workers=8, plugins=["retry"]).run(hand_over)


if __name__ == "__main__":
    main()
