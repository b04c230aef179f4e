"""``cuvisc check-data``: the data of a spec, read once, to a table and everything that is odd about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.cli.running import progress_bar

if TYPE_CHECKING:
    from cuvisc.runtime.data_check.check import DataCheck
    from cuvisc.runtime.data_check.survey import Image, Progress

_DATA = 3
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("check-data")
    def check_data(
        arguments: Annotated[
            list[str], typer.Argument(metavar="SPEC", help="Spec file, then overrides: key=value.")
        ],
        as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    ) -> None:
        """Look for what is wrong with the data of a spec.

        Values, bands, masks, classes, wavelengths, copies and pixels that stages share, memory.
        Reads everything once, a few rows at a time where the format allows. Leaves with 3 when training would fail;
        warnings alone leave with 0.

        Example: cuvisc check-data specs/anomaly.yaml
        """
        from cuvisc.cli.specs import compile_file, one_spec

        path, overrides = one_spec(arguments)
        graph, _ = compile_file(path, overrides)

        from cuvisc.runtime.data_check.check import check_data as check

        found = check(graph, _bar)
        if as_json:
            print(json.dumps({"spec": str(path), **found.to_json()}, ensure_ascii=False))
        else:
            _print(found)
        if found.count("error"):
            sys.exit(_DATA)


@contextmanager
def _bar(total: float) -> Iterator[Progress]:
    with progress_bar(total, "check-data") as advance:
        yield advance


def _print(found: DataCheck) -> None:
    from cuvisc.runtime.data_check.needs import words

    if found.survey.images:
        _print_table(_stages(found))
        _print_table(_images(list(found.survey.images.values())))
        _print_table(_classes(found))
    if found.needs is not None:
        print(f"memory: {words(found.needs)}")
    print()
    for finding in found.findings:
        print(f"{finding.severity}[{finding.topic}]: {finding.message}")
        if finding.help:
            print(f"    {finding.help}")
    errors, warnings = found.count("error"), found.count("warning")
    print(f"{errors or 'no'} error{'s' * (errors != 1)}, {warnings or 'no'} warning{'s' * (warnings != 1)}")


def _stages(found: DataCheck) -> list[list[str]]:
    rows = [["stage", "samples", "files", "pixels", "anomalous", "share"]]
    for stage, balance in found.survey.balances.items():
        samples = found.survey.of(stage)
        pixels = sum(sample.box.pixels for sample in samples)
        judged = balance.pixels - balance.ignored
        known = balance.anomalies is not None and judged > 0
        rows.append(
            [
                stage,
                str(len(samples)),
                str(len({sample.image for sample in samples})),
                str(pixels),
                str(balance.anomalies) if known else "-",
                f"{(balance.anomalies or 0) / judged:.3%}" if known else "-",
            ]
        )
    return rows


def _classes(found: DataCheck) -> list[list[str]]:
    """Pixels of every class by stage; nothing where there are no classes."""
    balances = found.survey.balances
    classes = sorted(set[int]().union(*(balance.classes for balance in balances.values())))
    if len(classes) < 2:
        return []
    rows = [["class", *balances]]
    for label in classes[:_SHOWN]:
        rows.append([str(label), *(str(balance.classes[label]) for balance in balances.values())])
    return [*rows, [f"… {len(classes) - _SHOWN} more"]] if len(classes) > _SHOWN else rows


def _images(images: Sequence[Image]) -> list[list[str]]:
    rows = [["image", "size", "dtype", "min", "max", "mean", "no data", "not finite", "saturated"]]
    for image in images[:_SHOWN]:
        tally = image.tally
        rows.append(
            [
                image.name,
                f"{image.height}x{image.width}x{tally.bands}",
                "-" if tally.dtype is None else tally.dtype.name,
                *(
                    "-" if value is None else f"{value:.5g}"
                    for value in (tally.minimum, tally.maximum, tally.mean)
                ),
                *map(str, (tally.empty_pixels, tally.partial_pixels, tally.saturated_pixels)),
            ]
        )
    if len(images) > _SHOWN:
        rows.append([f"… {len(images) - _SHOWN} more"])
    return rows


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns, the first aligned left, numbers right, and a line without anything after them."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
        print("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    print()
