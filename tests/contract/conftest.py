from __future__ import annotations

import pytest

from tests.contract.worlds import FakeWorld, RealWorld

WORLDS = ["fake 2.x", "fake 3.x", pytest.param("real", marks=pytest.mark.broker)]


@pytest.fixture(params=WORLDS)
def world(request):
    if request.param == "real":
        broker, topic = request.getfixturevalue("kafka_broker"), request.getfixturevalue("topic")
        found = RealWorld(broker, topic)
    else:
        found = FakeWorld(request.param.removeprefix("fake "))
    yield found
    found.close()
