"""``python -m benchmarks [--quick] [--only NAME] [--json FILE] [--page FOLDER]``: one run, every contender in turn."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main(words: list[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: does it run?")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this; may be given again")
    parser.add_argument("--rounds", type=int, help="rounds in which all take their turns")
    parser.add_argument("--megabytes", type=float, default=1000, help="size of the file that predict reads")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--page", type=Path, metavar="FOLDER", help="write benchmarks.md and its figures there"
    )
    given = parser.parse_args(words)
    # Libraries read these when they are loaded, so nothing of NumPy is imported before.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.pop("OPENBLAS_CORETYPE", None)
    os.environ.setdefault("MPLBACKEND", "Agg")

    from benchmarks.suite import NAMES, Options, run

    unknown = sorted(set(given.only or ()) - set(NAMES))
    if unknown:
        parser.error(f"--only {', '.join(unknown)}; there are {', '.join(NAMES)}")
    options = Options(given.quick, tuple(given.only or NAMES), given.rounds, given.megabytes)
    results = run(options)

    from benchmarks.page import text, write_page

    if given.json:
        import json

        print(json.dumps(results, indent=1))
    else:
        print(text(results))
    if given.page:
        print(write_page(results, given.page), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
