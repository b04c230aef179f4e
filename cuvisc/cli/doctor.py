"""`cuvisc doctor`: what is installed, which devices compute, and what is in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def doctor(
        device: Annotated[
            str | None,
            typer.Option(
                "--device", help="A device that has to work: cpu, cuda, tensorrt or auto; else exit 5."
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    ) -> None:
        """Say what is installed, which devices work, and what to do.

        Every device is tried by computing on it. Variables that may hold secrets are told as set or unset.

        Example: cuvisc doctor --device cpu
        """
        from cuvisc.runtime.machine import examine, require
        from cuvisc.runtime.session import DEVICES
        from cuvisc.schema.errors import SpecError

        if device is not None and device not in DEVICES:
            raise SpecError(f"--device is one of {', '.join(DEVICES)}, got {device!r}")
        facts = examine(device)
        print(json.dumps(facts, ensure_ascii=False) if as_json else "\n".join(_lines(facts)))
        if device is not None:
            require(device, facts)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    yield f"cuvisc {facts['cuvisc']}, Python {facts['python']}, {facts['platform']}"
    for extra, packages in groupby(facts["packages"], key=lambda package: package["extra"]):
        yield f"\n{f'cuvisc[{extra}]' if extra else 'cuvisc itself'}"
        for package in packages:
            version = package["version"] or "missing"
            wants = "" if package["fits"] else f" (wants {package['wanted']})"
            yield _row(package["name"], version + wants)
    yield "\ndevices"
    for name, reason in facts["devices"].items():
        yield _row(name, reason or "works")
    yield _row("torch", _gpus(facts["torch"]))
    threads = facts["threads"]
    yield _row("cores", f"{threads['cores']} of {threads['of']}")
    yield _row("BLAS", facts["blas"])
    yield "\nenvironment"
    for name, value in facts["environment"].items():
        yield _row(name, "unset" if value is None else repr(value))
    for name, is_set in facts["private"].items():
        yield _row(name, "set" if is_set else "unset")
    folder = facts["folder"]
    free = "" if folder["free"] is None else f", {folder['free'] / 2**30:.1f} GiB free"
    yield f"\n{folder['path']}: {folder['problem'] or 'can be written'}{free}\n"
    for problem, remedy in facts["problems"]:
        yield f"problem: {problem}: {remedy}"
    if not facts["problems"]:
        yield "no problem found"


def _row(name: str, fact: str) -> str:
    return f"  {name:<26} {fact}"


def _gpus(torch: dict[str, Any] | None) -> str:
    if torch is None:
        return "not installed"
    if torch["problem"]:
        return str(torch["problem"])
    build = f"built for CUDA {torch['cuda']}" if torch["cuda"] else "built for the CPU"
    return f"{build}, sees {', '.join(torch['gpus']) or 'no GPU'}"
