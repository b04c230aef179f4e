"""Turns what a verb raises into one message on stderr and an exit code; the only place that does.

0 ok, 1 internal error, 2 usage or spec, 3 data, 4 verification, 5 device, 130 interrupted. `--debug`,
anywhere on the command line, shows the traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from cuvisc.schema.errors import CuviscError, SpecError

INTERRUPTED = 130


class AnsweringGroup(TyperGroup):
    """The group of all verbs: runs one, and answers for whatever goes wrong in it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta["debug"] = "--debug" in args[:end]
        return super().parse_args(ctx, [arg for arg in args[:end] if arg != "--debug"] + args[end:])

    def invoke(self, ctx: Any) -> Any:
        debug: bool = ctx.meta["debug"]
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except CuviscError as error:
            _leave(error, show(error), error.exit_code, debug)
        except KeyboardInterrupt as error:
            _leave(error, "interrupted", INTERRUPTED, debug)
        except BrokenPipeError:
            # The reader went away: it has all it wanted, and Python must not fail again when it flushes at
            # exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except RuntimeError as error:
            if isinstance(error, (typer.Exit, typer.Abort)):
                raise
            _leave(error, _defect(error), 1, debug)
        except Exception as error:
            if _is_usage(error):
                raise
            _leave(error, _defect(error), 1, debug)


def show(error: CuviscError) -> str:
    """The text for a user's error: the diagnostics of a spec, or one line."""
    from cuvisc.cli.terminal import wants_color
    from cuvisc.schema.render import printable, render_text

    if isinstance(error, SpecError) and error.diagnostics is not None:
        return render_text(error.diagnostics, color=wants_color(sys.stderr))
    return f"error: {printable(str(error), keep_newlines=True)}"


def _defect(error: Exception) -> str:
    fact = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"error: internal error: {fact}\nThis is a defect of cuvisc; `--debug` shows the traceback to report."
    )


def _is_usage(error: Exception) -> bool:
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _leave(error: BaseException, text: str, code: int, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    print(text, file=sys.stderr)
    sys.exit(code)
