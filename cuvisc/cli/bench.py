"""``cuvisc bench``: how fast an artifact runs on this machine, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.cli.running import ThreadsOption, warn

if TYPE_CHECKING:
    from cuvisc.runtime.throughput import Throughput


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def bench(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        cube: Annotated[
            Path | None,
            typer.Argument(
                help="A cube of any format, its first 128 MB; default: random numbers.", metavar="CUBE"
            ),
        ] = None,
        device: Annotated[
            list[str] | None,
            typer.Option(
                "--device",
                help="cpu, cuda or tensorrt, may be given again; default: cpu, and CUDA where it works.",
            ),
        ] = None,
        threads: ThreadsOption = None,
        rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds that medians are taken of.")] = 9,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    ) -> None:
        """Measure how fast an artifact runs a cube on this machine.

        The cube is in memory, and the time is told beside that of reading memory once. Reading and writing files come
        on top of it in `predict`.

        Example: cuvisc bench artifact scene.hdr --threads 1
        """
        from cuvisc.runtime.artifact import Artifact
        from cuvisc.runtime.session import choose_device
        from cuvisc.runtime.throughput import measure_throughput

        devices = list(dict.fromkeys(device or ()))
        if not devices:
            best, obstacle = choose_device("auto")
            devices = ["cpu"] if best == "cpu" else ["cpu", best]
            if obstacle:
                warn(f"running on the CPU alone: {obstacle}")
        found = measure_throughput(
            Artifact.open(artifact), cube, devices=devices, threads=threads, rounds=rounds
        )
        print(json.dumps(asdict(found)) if as_json else _words(found))


def _words(found: Throughput) -> str:
    """What was measured, for people."""
    lines = [
        f"{found.cube}: {'x'.join(map(str, found.shape))} {found.dtype}, median of {found.rounds} rounds",
        f"one thread reads {found.reading:.3g} GB/s of memory",
    ]
    lines += [
        f"{speed.provider}: {speed.mpixels_per_second:.3g} Mpixel/s ±{speed.spread:.0%}, "
        f"{speed.ms_per_strip:.3g} ms for {speed.strip_pixels} pixels, "
        f"{speed.gigabytes_per_second:.3g} GB/s, {speed.share_of_reading:.0%} of reading"
        for speed in found.devices
    ]
    if found.peak_megabytes is not None:
        lines.append(f"peak memory {found.peak_megabytes:.0f} MB")
    return "\n".join(lines)
