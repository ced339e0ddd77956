"""Both forms of the decoder are under the same tests."""

from __future__ import annotations

import pytest

from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins import compiled_form
from tests.plugins.record_batches import reading_with


@pytest.fixture(scope="session", params=["in Python", "compiled"])
def form(request):
    """The decode function of either form."""
    return decode if request.param == "in Python" else compiled_form.module().decode


@pytest.fixture(scope="session")
def fast(form):
    """The client's class of fetched data, reading with `form`."""
    return reading_with(form)
