"""`python -m tests.fuzz [COUNT] [SEED]`: random changes to the shipped specs, none of which may end in a traceback.

Every mutant is validated as the command does it, and what is found is rendered in every form; one that is right is also
drawn. Prints what happened and how long the slowest took; leaves with 1 when anything was raised or hung.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.views.mermaid import draw_mermaid
from cuvisc.compiler.views.summary import Summary
from cuvisc.compiler.views.svg import draw_svg
from cuvisc.compiler.views.text import draw_text
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import read_string
from cuvisc.schema.render import as_dicts, render_github, render_text
from cuvisc.schema.sarif import render_sarif

from .mutants.edits import mutants

SPECS = sorted((Path(__file__).parents[1] / "specs").glob("*.yaml"))
SNIPPETS = [
    *[
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "-",
        "- ",
        "*a",
        "&a ",
        "<<: ",
        "!!int ",
        "|",
        ">",
        "#",
        "'",
        '"',
        "? ",
    ],
    *[
        "\n",
        "\t",
        "\0",
        "é",
        "\u2028",
        "---",
        "...",
        "null",
        "true",
        "1e999",
        ".nan",
        "99999999999999999999",
        "0x1F",
    ],
    *["${", "${training.seed}", "${oc.env:HOME}", "${nodes}", "input", "input.cube", "type: RXGlobal"],
    *["parent: [rx, rx]", "inputs: {cube: input}"],
]
OVERRIDES = [
    *["nodes.rx.eps=1", "~nodes.rx", "+nodes.z={type: RXGlobal}", "nodes.rx.parent=[a,b]", "graph=null"],
    *[
        "training.seed=x",
        "++a.b.c=1",
        "nodes=3",
        "~training",
        "defaults=[a]",
        "nodes.rx=",
        "x",
        "=",
        "nodes.[=1",
    ],
    *["loss_leaves.z={type: x}"],
]
LIMIT_S = 10


def change(text: str, dice: random.Random) -> str:
    """A text with one more change: a mutant of its structure where it has one, else of its characters."""
    if dice.random() < 0.5:
        try:
            found = list(mutants(text))
        except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
            found = []
        if found:
            return dice.choice(found).text
    begin = dice.randrange(len(text) + 1)
    end = min(len(text), begin + dice.choice([0, 0, 1, 3, 20, 200]))
    new = dice.choice([*SNIPPETS, "", text[begin:end] * 2, text[: dice.randrange(40)]])
    return text[:begin] + new + text[end:]


def validate(text: str, name: str, overrides: list[str]) -> str:
    """Everything that `cuvisc validate` and `cuvisc show` would do; the verdict in one word."""
    spec, found = read_string(text, name, overrides, environment={"HOME": "x"})
    graph = check_graph(spec, load(), found) if spec is not None else None
    for answer in (
        render_text(found),
        json.dumps(as_dicts(found)),
        render_github(found),
        render_sarif([found], "0"),
    ):
        answer.encode("utf-8", "surrogatepass")
    if found.has_errors:
        return "refused"
    if graph is None:
        raise AssertionError("a verdict without a reason")
    summary = Summary(graph)
    for draw in (draw_text, draw_mermaid, draw_svg):
        draw(summary)
    return "warned" if len(found) else "right"


def run(count: int, seed: int) -> int:
    """The number of mutants that raised something or hung; prints each and the sums."""
    texts = [(str(path), path.read_text(encoding="utf-8")) for path in SPECS]
    dice = random.Random(seed)
    sums: Counter[str] = Counter()
    slowest = (0.0, "")
    signal.signal(signal.SIGALRM, _hung)
    for number in range(count):
        name, text = dice.choice(texts)
        for _ in range(dice.choice([1, 1, 2, 3])):
            text = change(text, dice)
        overrides = [dice.choice(OVERRIDES)] if dice.random() < 0.03 else []
        started = time.perf_counter()
        signal.alarm(LIMIT_S)
        try:
            sums[validate(text, name, overrides)] += 1
        except Exception:
            sums["failed"] += 1
            print(f"mutant {number} of {name}, overrides {overrides}:\n{text}\n{traceback.format_exc()}")
        signal.alarm(0)
        slowest = max(slowest, (time.perf_counter() - started, f"mutant {number} of {Path(name).name}"))
    verdicts = ", ".join(f"{sums[verdict]} {verdict}" for verdict in ("refused", "warned", "right", "failed"))
    print(
        f"{count} mutants of {len(texts)} specs, seed {seed}: {verdicts}; "
        f"slowest {slowest[0] * 1e3:.0f} ms ({slowest[1]})"
    )
    return sums["failed"]


def _hung(*_: Any) -> None:
    raise TimeoutError(f"not answered in {LIMIT_S} s")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(1 if run(*(given + [10_000, 1][len(given) :])) else 0)
