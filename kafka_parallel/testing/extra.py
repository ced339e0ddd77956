"""What to say when a package of the extra ``testing`` is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka_parallel.errors import BrokerError


class MissingExtraError(BrokerError):
    """A package of the extra ``testing`` is not installed."""


@contextmanager
def needs_extra(package: str) -> Iterator[None]:
    """Around an import of *package*.

    :raises MissingExtraError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"the test broker needs the package {package!r} ({error}); "
            "install it with: pip install 'kafka-parallel[testing]'"
        ) from error
