"""Results to text: tables for the terminal, and the page `docs/benchmarks.md` with its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import BEST, OWN, TORCH
from benchmarks.plots import draw
from benchmarks.scaling import growth
from benchmarks.targets import outcomes

_HEAD = """# Benchmarks

Made by `make bench` from one run. Every contender computed the same scores, compared with float64, before it was timed;
then all took turns for several rounds. Times are CPU time on one thread, medians; `±` is half the distance of the
quartiles. The machine was shared with other work, which CPU time does not hide where memory and cache are shared:
ratios within a table hold better than numbers, and those with a large `±` not well. From one run to another, hours
apart, RX over 8 × 128² pixels of 61 bands took 13.9 ms and then 23.6 ms, plain torch 35.3 ms and 95.7 ms, and one map
in NumPy 18.8 ms and 18.5 ms.

Nothing here ran on a GPU: there was none. The CUDA provider is given the same graph, TF32 off, inputs and outputs bound
to the device; that binding changes no bit is tested on the CPU. `cuvisc bench ARTIFACT` measures it where there is one.
"""
_FILES = """The command in a process of its own, a `.npy` file in, scores and decisions as `.npz` out: one thread for
the arithmetic, one that reads ahead, one that writes behind. The system holds the file in memory; outputs are on the
disk when the command ends. Time of the clock, less that of the command on 64 pixels; the last column is the same in CPU
time, where what happens at the same time is added up.
"""
_PEERS = """The best simple version is a shifted Gram pass in float32, and one affine map in strips, both in NumPy;
plain torch computes step by step, as a first version would. **cuvis-ai was not run here**: the column about it is
cuvisc beside the best simple version, as measured, times the best simple version beside cuvis-ai 0.19.3, as measured
before on another machine (±30 %).
"""
_EPOCHS = """What is left of an epoch with the cache is loading and joining the images, looking for missing pixels,
recognising every image by all its pixels, the loss, and Lightning.
"""


def text(results: Mapping[str, Any]) -> str:
    """Everything that was measured, as Markdown tables."""
    return "\n".join(_sections(results, figures=False))


def write_page(results: Mapping[str, Any], folder: Path) -> Path:
    """`benchmarks.md` and the folder of figures beside it."""
    draw(results, folder / "benchmarks")
    page = folder / "benchmarks.md"
    page.write_text("\n".join((_HEAD, *_sections(results, figures=True))), encoding="utf-8")
    return page


def _sections(results: Mapping[str, Any], *, figures: bool) -> Iterable[str]:
    yield from _machine(results)
    reached = [] if results.get("quick") else outcomes(results)
    if reached:
        yield "## Targets\n"
        rows = [
            (
                o.work,
                o.what,
                f"{'≤' if o.at_most else '≥'} {o.value(o.wanted)}",
                o.value(o.found),
                "yes" if o.met else "**no**",
            )
            for o in reached
        ]
        yield _table(("work", "cuvisc", "wanted", "found", "met"), rows)
        for reason in dict.fromkeys(o.reason for o in reached if not o.met):
            missed = "; ".join(
                dict.fromkeys(f"{o.work} ({o.what})" for o in reached if not o.met and o.reason == reason)
            )
            yield f"Not met: {missed}.\n\n> {reason}\n"
    for name, work in results.get("works", {}).items():
        yield f"## {work['title']}\n"
        if figures:
            yield f"![{work['title']}](benchmarks/{name}.svg)\n"
        yield from _work(work)
    yield from _peers(results)
    yield from _epochs(results)
    yield from _files(results)
    yield from _startup(results)
    yield from _scaling(results, figures=figures)


def _machine(results: Mapping[str, Any]) -> Iterable[str]:
    yield "## Machine\n"
    facts = results["machine"]
    yield _table(("", ""), [(key, str(value)) for key, value in facts.items()])
    if "ceilings" in results:
        yield "What it can do at the most, measured in the same run, on one thread:\n"
        rows = [
            (
                name,
                f"{facts['rate']:.1f} {'GB/s' if name == 'read' else 'GFLOP/s'}",
                f"±{facts['spread']:.0%}",
            )
            for name, facts in results["ceilings"].items()
        ]
        yield _table(("ceiling", "rate", "spread"), rows)


def _work(work: Mapping[str, Any]) -> Iterable[str]:
    own = next(timing for timing in work["timings"] if timing["name"].startswith("cuvisc"))
    rows = []
    for timing in work["timings"]:
        if not timing["median"]:
            rows.append((timing["name"], "–", "–", "–", timing["note"]))
            continue
        error = "–" if timing["error"] is None else f"{timing['error']:.0e}"
        rate = work["pixels"] / timing["median"] / 1e6
        times = f"{timing['median'] * 1e3:.1f} ms ±{timing['spread']:.0%}"
        slower = f"{timing['median'] / own['median']:.2f}"
        rows.append(
            (timing["name"], times, f"{rate:.2f}", slower, " ".join(filter(None, (error, timing["note"]))))
        )
    yield _table(("", "CPU time", "Mpixel/s", "× cuvisc's time", "largest relative error"), rows)
    if work.get("profile"):
        total = sum(work["profile"].values())
        parts = ", ".join(
            f"{name} {ms / total:.0%}" for name, ms in work["profile"].items() if ms / total >= 0.01
        )
        what = "phase 1" if work["title"].startswith("phase 1") else "the kernel"
        yield f"Profile of {what}: {parts} of {total:.1f} ms.\n"


def _files(results: Mapping[str, Any]) -> Iterable[str]:
    if not results.get("files"):
        return
    yield "## `cuvisc predict` on large files\n"
    yield _FILES
    rows = [
        (
            f"{f['kind']}, {f['bands']} bands, {f['dtype']}, {f['megabytes']:.0f} MB",
            f"{f['mpixels_per_second']:.1f}",
            f"{f['kernel_mpixels_per_second']:.1f}",
            f"{f['share']:.0%} ±{f['spread']:.0%}",
            f"{f['peak_megabytes']:.0f} MB",
            f"{f['wall']:.1f} s",
            f"{f['cpu_share']:.0%}",
        )
        for f in results["files"]
    ]
    head = ("", "Mpixel/s", "the kernel alone", "share", "peak memory", "start to end", "share of CPU time")
    yield _table(head, rows)


def _peers(results: Mapping[str, Any]) -> Iterable[str]:
    if not results.get("peers"):
        return
    yield "## Where others were measured\n"
    yield _PEERS
    head = ["", "bands", OWN, BEST, TORCH, f"× {BEST}", f"× {TORCH}", "× cuvis-ai, derived"]
    yield _table(head, [_peer(row) for row in results["peers"]])
    yield "One scene, and how far the memory of the process rises while it is scored the first time:\n"
    kinds = (OWN, BEST, TORCH)
    rows = [
        [
            *_peer(row),
            *("–" if row["megabytes"][k] is None else f"{row['megabytes'][k]:.0f} MB" for k in kinds),
        ]
        for row in results["scene"]
    ]
    yield _table([*head, *(f"memory, {kind}" for kind in kinds)], rows)


def _peer(row: Mapping[str, Any]) -> list[str]:
    seconds = row["seconds"]
    derived = row["beside cuvis-ai"]
    return [
        f"{row['title']}, {row['size']}",
        str(row["bands"]),
        *(f"{1e3 * seconds[name]:.1f} ms" for name in (OWN, BEST, TORCH)),
        *(f"{seconds[name] / seconds[OWN]:.2f}" for name in (BEST, TORCH)),
        "–" if derived != derived else f"{derived:.1f}",
    ]


def _epochs(results: Mapping[str, Any]) -> Iterable[str]:
    if not results.get("epochs"):
        return
    yield "## An epoch of phase 2, with what frozen nodes make of an image kept and not\n"
    rows = [
        (row["graph"], f"{1e3 * row['off']:.0f} ms", f"{1e3 * row['memory']:.0f} ms", f"{row['ratio']:.2f}")
        for row in results["epochs"]
    ]
    yield _table(("", "cache: off", "cache: memory", "×"), rows)
    yield _EPOCHS


def _startup(results: Mapping[str, Any]) -> Iterable[str]:
    if not results.get("startup"):
        return
    yield "## Start-up and export\n"
    rows = [
        (
            name,
            f"{f['cpu']:.3f} s",
            f"{f['wall']:.2f} s" if "wall" in f else "warm",
            f"{f['peak_megabytes']:.0f} MB" if "peak_megabytes" in f else "",
        )
        for name, f in results["startup"].items()
    ]
    yield _table(("", "CPU", "wall, cold", "peak memory"), rows)


def _scaling(results: Mapping[str, Any], *, figures: bool) -> Iterable[str]:
    scaling = results.get("scaling")
    if not scaling:
        return
    yield "## Scaling\n"
    if figures:
        yield "![time and memory by pixels, bands and nodes](benchmarks/scaling.svg)\n"
    for kind, costs in (
        ("pixels", ("seconds", "megabytes")),
        ("bands", ("pca seconds", "rx seconds", "fit seconds")),
        ("nodes", ("check seconds", "fit seconds", "passes seconds")),
    ):
        rows = scaling[kind]
        keys = list(rows[0])
        yield _table(keys, [[f"{row[key]:.4g}" for key in keys] for row in rows])
        slopes = ", ".join(f"{cost} {growth(rows, kind, cost):.2f}" for cost in costs)
        yield f"Exponent of growth with {kind}: {slopes}.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"
