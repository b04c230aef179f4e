"""The entry of the command `cuvisc`: a plain `validate` is answered at once, everything else by the whole command line.

Building the whole command line takes twice as long as checking a spec; editors and hooks check on every change.
Everything is imported where Ctrl-C is answered for.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130
"""The exit code of what Ctrl-C, or being told to end, has ended."""

#: Objects made before garbage is looked for. Importing torch and Lightning makes a million that stay.
_OBJECTS_BEFORE_COLLECTING = 20_000


def build_app() -> typer.Typer:
    """The command with every verb."""
    from cuvisc.cli.command import build_command

    return build_command()


def _collect_less() -> None:
    """Spare looking through what the imports made, over and over while they run and once more at the end.

    That would be a quarter of the CPU time of a cold training.
    """
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        _run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _run() -> None:
    from cuvisc.cli.answers import answer, without_debug
    from cuvisc.cli.terminal import prepare_streams

    _collect_less()
    prepare_streams()
    arguments, debug = without_debug(sys.argv[1:])
    if arguments[:1] == ["validate"]:
        from cuvisc.cli.checking import check_specs, plain_arguments

        plain = plain_arguments(arguments[1:])
        if plain is not None:
            answer(lambda: check_specs(*plain), debug)
            return
    build_app()(prog_name="cuvisc")
