"""Decodes records in the client's place, with the compiled decoder or, where that cannot be used, the one in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel import hookimpl
from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from kafka_parallel_plugins.fast_decoder.compiled import NotUsableError, compiled_decoder

if TYPE_CHECKING:
    from kafka_parallel import Decoder, Settings

__all__ = ["FastDecoder"]

log = get_logger(__name__)


# see docs/decisions/0042-decoder-on-one-object.md
class FastDecoder:
    """Decodes records faster than the client, into the same objects; it has no settings."""

    @hookimpl
    def provide_decoder(self, settings: Settings) -> Decoder:  # noqa: ARG002 - there is nothing to choose
        """Provide a decoder, which is called in the place of the client's own code, and log the form it has.

        The consumer tries it afterwards, and says so if it does not use it.
        """
        try:
            compiled = compiled_decoder()
        except NotUsableError as error:
            log.warning(
                "plugin fast-decoder offers its decoder in Python, for kafka-parallel-compiled cannot be used: %s",
                error,
            )
            return decode
        if compiled is None:
            log.info(
                "plugin fast-decoder offers its decoder in Python: kafka-parallel-compiled is not installed; "
                "pip install 'kafka-parallel[compiled]' brings it"
            )
            return decode
        log.info("plugin fast-decoder offers its compiled decoder")
        return compiled
