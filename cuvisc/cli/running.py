"""Options and reports that the verbs of the predictor share: device, thresholds, progress. No torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.schema.errors import SpecError

if TYPE_CHECKING:
    from cuvisc.runtime.inference import Predictor

DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda or tensorrt; auto takes CUDA where it works.")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the CPU; default: every core.")
]


def warn(message: str) -> None:
    """One line on stderr."""
    print(f"warning: {message}", file=sys.stderr)


def warn_of_device(predictor: Predictor) -> None:
    """Say why `auto` passed over a GPU build; to those who asked for more, what runs and on what."""
    from cuvisc.runtime.progress import log
    from cuvisc.runtime.session import load_onnxruntime

    manifest, version = predictor.manifest, load_onnxruntime().__version__
    made = f"exported by cuvisc {manifest.raw.get('cuvisc')}, spec {str(manifest.raw.get('spec_sha256', ''))[:8]}"
    log.debug("Model `%s` of %s: %s", manifest.name, predictor.artifact.folder, made)
    log.debug("Runs on %s of ONNX Runtime %s", predictor.provider, version)
    if predictor.passed_over:
        warn(f"running on the CPU: {predictor.passed_over}")


def parse_thresholds(texts: list[str]) -> dict[str, float]:
    """``node=value`` texts to numbers; raises :class:`SpecError`."""
    thresholds: dict[str, float] = {}
    for text in texts:
        node, separator, value = text.partition("=")
        number = parse_number(value)
        if not separator or not node or number is None:
            raise SpecError(f"--threshold wants node=value, such as decider=0.5; got {text!r}")
        thresholds[node.strip()] = number
    return thresholds


def parse_number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


@contextmanager
def progress_bar(total: float, what: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr when that is a terminal; yields what to call with each finished part of the total."""
    from cuvisc.runtime.progress import bars_wanted

    if not bars_wanted():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
