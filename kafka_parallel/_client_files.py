"""Are the files of the package ``kafka`` those of a kafka-python that is known here, and of nothing else?

kafka-python-ng, a fork of it, writes the same files.

Of two distributions that write one file, pip leaves that of the one installed last. If that was the fork, the package
is a mixture, and most mixtures cannot even be imported: this module is imported first, and says why. If it was
kafka-python, everything works until pip removes or changes one of the two.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re

__all__ = ()

FORK = "kafka-python-ng"
# Older ones lack modules that kafka-parallel imports.
_OLDEST = 2, 2
_MEND = "pip uninstall kafka-python-ng kafka-python, then pip install kafka-python"


def version_of(distribution: str) -> str | None:
    """The version of an installed *distribution*; ``None`` if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def mixture(client: str | None, fork: str | None, imported: str | None) -> tuple[str, bool] | None:
    """Say how kafka-python-ng harms this installation, and whether it cannot be used.

    :param client: the version of kafka-python; ``None`` = it is not installed.
    :param fork: the version of kafka-python-ng; ``None`` = it is not installed.
    :param imported: the version that the package ``kafka`` says; ``None`` = it cannot be imported.
    """
    if fork is None:
        return None
    if client is None:
        return (
            f"{fork} is installed without kafka-python, for which kafka-parallel is made; {_MEND}",
            False,
        )
    both = f"{fork} is installed beside kafka-python {client}, and both write the package kafka"
    if imported != client:
        found = "which cannot be imported" if imported is None else f"whose files say {imported}"
        return (f"{both}, {found}: they are a mixture of the two; {_MEND}", True)
    return (f"{both}: the next change of one by pip removes or mixes the files of both; {_MEND}", False)


def too_old(client: str | None) -> str | None:
    """Say that kafka-python is too old to be used, if the version *client* is; ``None`` = it is not installed."""
    if client is None or tuple(map(int, re.findall(r"\d+", client)[:2])) >= _OLDEST:
        return None
    return (
        f"kafka-python {client} is installed, which is too old for kafka-parallel: pip install 'kafka-python>=2.2.9,<4'"
    )


def imported_version() -> str | None:
    """The version that the package ``kafka`` says of itself."""
    version: str | None = getattr(importlib.import_module("kafka"), "__version__", None)
    return version


def _require_importable() -> None:
    if (age := too_old(version_of("kafka-python"))) is not None:
        raise ImportError(age)
    try:
        importlib.import_module("kafka")
    except ImportError as error:
        found = mixture(version_of("kafka-python"), version_of(FORK), None)
        if found is None:
            raise
        raise ImportError(f"{FORK} {found[0]}") from error


_require_importable()
