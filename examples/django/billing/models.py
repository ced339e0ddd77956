"""What is billed."""

from django.db import models


class Invoice(models.Model):
    topic_partition = models.IntegerField()
    topic_offset = models.BigIntegerField()
    amount = models.IntegerField()
