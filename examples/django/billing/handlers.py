"""What is done with each record."""

from billing.models import Invoice


def bill(record):
    Invoice.objects.create(topic_partition=record.partition, topic_offset=record.offset, amount=int(record.value))
