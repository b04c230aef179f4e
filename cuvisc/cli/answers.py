"""Turns what a verb raises into one message on stderr and an exit code; the only place that does.

0 ok, 1 internal error, 2 usage or spec, 3 data, 4 verification, 5 device, 130 interrupted, by Ctrl-C or told to end.
`--debug`, anywhere on the command line, shows the traceback. Imports no command-line library, so that the quick path
stays quick.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn, TypeVar

from cuvisc.cli.app import INTERRUPTED
from cuvisc.schema.errors import CuviscError, SpecError

T = TypeVar("T")
_FULL = {errno.ENOSPC, errno.EDQUOT}


_EXTRAS = dict.fromkeys(
    ("torch", "lightning", "torchmetrics", "onnx", "onnxscript", "safetensors", "matplotlib"), "train"
)
"""The extra of cuvisc that brings a package which a verb found missing."""


def answer(verb: Callable[[], T], debug: bool, passes: Callable[[Exception], bool] = lambda _: False) -> T:
    """Run a verb and answer for whatever goes wrong in it, but for what `passes` on to the command line itself."""
    _interrupt_when_told_to_end()
    try:
        result = verb()
        sys.stdout.flush()
        return result
    except KeyboardInterrupt as error:
        _leave(error, "interrupted", INTERRUPTED, debug)
    except BrokenPipeError:
        _leave_nothing_to_flush()  # the reader went away: it has all it wanted
        sys.exit(0)
    except Exception as error:
        if passes(error):
            raise
        _leave(error, *_words_and_code(error), debug)


def _words_and_code(error: Exception) -> tuple[str, int]:
    if _follows_an_interrupt(error):
        return "interrupted", INTERRUPTED
    if isinstance(error, CuviscError):
        return show(error), error.exit_code
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is not None:
            return f"error: this needs {error.name}: pip install 'cuvisc[{extra}]'", 2
    if isinstance(error, OSError) and error.errno in _FULL:
        _leave_nothing_to_flush()
        return f"error: {error.strerror}: not all could be written; make room and run it again", 3
    from cuvisc.runtime.faults import memory_fault

    fault = memory_fault(error)
    return (_defect(error), 1) if fault is None else (show(fault), fault.exit_code)


def _follows_an_interrupt(error: BaseException) -> bool:
    """Whether an interrupt led to it: one that comes while a compiled package is loaded ends as an ImportError."""
    led: BaseException | None = error
    while led is not None:
        if isinstance(led, KeyboardInterrupt):
            return True
        led = led.__cause__ or (None if led.__suppress_context__ else led.__context__)
    return False


def _leave_nothing_to_flush() -> None:
    """Send what stdout holds and cannot write nowhere, or Python fails again when it flushes at exit."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt_when_told_to_end() -> None:
    """Have SIGTERM and SIGHUP end the process as Ctrl-C does: nothing half-written is left behind.

    Once: what is told a second time to end is ending. What was asked to be ignored, as by nohup, is.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if current_thread() is not main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def run_script(main: Callable[[list[str]], object]) -> None:
    """Run a script's `main` with the arguments of its command line, and leave as the verbs do."""
    from cuvisc.cli.terminal import prepare_streams

    prepare_streams()
    arguments, debug = without_debug(sys.argv[1:])
    answer(lambda: main(arguments), debug)


def without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, and whether it was among those before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest = [argument for argument in arguments[:end] if argument != "--debug"] + arguments[end:]
    return rest, len(rest) < len(arguments)


def show(error: CuviscError) -> str:
    """The text for a user's error: the diagnostics of a spec, or one line."""
    from cuvisc.cli.terminal import wants_color
    from cuvisc.schema.render import printable, render_text

    if isinstance(error, SpecError) and error.diagnostics is not None:
        return render_text(error.diagnostics, color=wants_color(sys.stderr))
    return f"error: {printable(str(error), keep_newlines=True)}"


def _defect(error: Exception) -> str:
    fact = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    place = _foreign_place(error)
    if place is not None:
        return f"error: {place}: {fact}\nThis is not code of cuvisc; `--debug` shows the traceback."
    return (
        f"error: internal error: {fact}\nThis is a defect of cuvisc; `--debug` shows the traceback to report."
    )


def _foreign_place(error: Exception) -> str | None:
    """The module and line of a plug-in or script that raised, by itself or in what it called; None where cuvisc did."""
    import traceback

    from cuvisc.schema.plugins import find_plugins

    foreign = {"__main__", *(plugin.package.partition(".")[0] for plugin in find_plugins())}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "cuvisc":
            return None
        if module.partition(".")[0] in foreign:
            return f"{Path(frame.f_code.co_filename).name if module == '__main__' else module}, line {line}"
    return None


def _leave(error: BaseException, text: str, code: int, debug: bool) -> NoReturn:
    if debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    print(text, file=sys.stderr)
    sys.exit(code)
