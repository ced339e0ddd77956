"""The hand-over to Celery, through a SIGTERM and a restart: what its broker has taken is what is committed."""

from __future__ import annotations

import base64
import json

import pytest

from tests.examples.services import Service, Topic, check_restart_and_sigterm


@pytest.mark.broker
def test_the_hand_over_through_a_sigterm_and_a_restart(kafka_broker, topic, tmp_path):
    orders = Topic(kafka_broker.bootstrap_servers, topic(2), "celery", 600)

    def done():
        """The arguments of the tasks that Celery's broker, a folder, has taken."""
        taken = []
        for path in tmp_path.glob("*.msg"):
            try:
                message = json.loads(path.read_text())
            except ValueError:  # it is being written
                continue
            (partition, offset, _), *_ = json.loads(base64.b64decode(message["body"]))
            taken.append((partition, offset))
        return taken

    environment = {**orders.environment, "CELERY_BROKER": "filesystem://", "CELERY_FOLDER": str(tmp_path)}
    check_restart_and_sigterm(Service(["celery/service.py"], environment, done), orders)
