"""Groups of plain clients that join once: a second join is left half done by the client itself."""

from __future__ import annotations

from typing import Any


def know_topics(consumer: Any) -> None:
    """Let a client that has subscribed hear of its topics before it joins.

    A leader of a group that shares out before that joins again when it hears of them, and leaves that join half done if
    poll() ends meanwhile: a bug of the client, see finish_joining(). The broker removes such a member, and it reads on.
    It forgets all that it heard before it subscribed.
    """
    consumer.topics()
