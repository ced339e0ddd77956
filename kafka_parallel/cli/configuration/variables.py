"""The settings of environment variables: ``KAFKA_PARALLEL__WORKERS``, ``KAFKA_PARALLEL__CONSUMER__GROUP_ID``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.cli.configuration.schema import PLUGINS, TOP, tables
from kafka_parallel.cli.configuration.settings import Setting, of_text
from kafka_parallel.errors import ConfigurationError

__all__ = ()

PREFIX = "KAFKA_PARALLEL__"
SERVERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
# Tables whose settings have a variable of one word.
SHORT = (TOP, "parallel")


def settings(environment: Mapping[str, str]) -> Iterator[Setting]:
    """The settings of *environment*.

    :raises ConfigurationError: for a variable that is none, or does not take its value.
    """
    if servers := environment.get(SERVERS_VARIABLE):
        yield of_text("consumer", "bootstrap_servers", servers, SERVERS_VARIABLE)
    known = _known()
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX)
            if name not in known:
                raise ConfigurationError(f"{variable}: there is no such setting{_hint(name, known)}")
            yield of_text(*known[name], environment[variable], variable)


def _known() -> dict[str, tuple[str, str]]:
    """The table and the name of each setting, by the rest of its variable's name."""
    return {
        (name if table in SHORT else f"{table}__{name}").upper(): (table, name)
        for table, settings in tables().items()
        for name in settings
    }


def _hint(name: str, known: Mapping[str, tuple[str, str]]) -> str:
    if name.startswith(f"{PLUGINS.upper()}__"):
        return ": settings of plugins have no variables; write them into the file, or give -p NAME:SETTING=VALUE"
    last = name.rpartition("__")[2]
    same = next((variable for variable in known if variable.rpartition("__")[2] == last), None)
    found = f"; did you mean {same!r}?" if same else did_you_mean(name, known)
    return found.replace("'", f"'{PREFIX}", 1) or (
        f"; names are {PREFIX}NAME for the top of the file and [parallel], {PREFIX}CONSUMER__NAME and "
        f"{PREFIX}BATCH__NAME"
    )
