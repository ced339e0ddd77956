"""Warns of public names that the built reference does not have; ``make docs`` fails for a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util import logging

from docs._site import public_names

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

log = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_config_value("has_reference", default=True, rebuild="env", types=bool)
    app.connect("env-check-consistency", _check)


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    if app.config.has_reference:
        for name in public_names.missing(env.domains.python_domain.objects):
            log.warning("%s is public and not in the reference", name)
