"""The options `--verbose` and `--quiet`: how much a verb says on stderr while it works. Results stay on stdout."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import typer

from cuvisc.schema.errors import SpecError

_ASKED = "cuvisc.speaking"


def _speaks(level: int) -> Callable[[typer.Context, bool], bool]:
    """A callback of an option that makes what runs speak from a level on, until the verb has ended."""

    def speak(context: typer.Context, asked: bool) -> bool:
        if asked:
            from cuvisc.runtime.progress import spoken

            if context.meta.setdefault(_ASKED, level) != level:
                raise SpecError("--verbose and --quiet exclude each other")
            context.with_resource(spoken(level, always=True))
        return asked

    return speak


VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Say more on stderr: times, decisions, files.",
        callback=_speaks(logging.DEBUG),
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="No progress, only warnings and errors on stderr.",
        callback=_speaks(logging.WARNING),
    ),
]


def level_of(verbose: bool, quiet: bool) -> int:
    """From where on a verb speaks that tells of its work without being asked."""
    return logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
