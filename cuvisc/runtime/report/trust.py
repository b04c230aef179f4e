"""Whether the exported model computes the same, what the run was made with, and the spec to make it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from cuvisc.runtime.report.markup import (
    Html,
    absent,
    code,
    count,
    duration,
    join,
    marked,
    number,
    pairs,
    table,
    tag,
)
from cuvisc.runtime.report.run_files import LeafFigure, RunFiles

_MOST_FIGURES = 12
_LARGEST_FIGURE = 4 * 2**20
_PNG = b"\x89PNG\r\n\x1a\n"


def parity(run: RunFiles) -> Html:
    """The evidence of an export, or that there is none in the run folder."""
    data = run.parity
    if data is None:
        return absent(
            join(
                marked(f"Not exported: {run.problems['parity']}. "),
                code("cuvisc export RUN"),
                " compares the exported model with a float64 reference, and shows here what it found.",
            )
        )
    passed = data.get("passed") is True
    worst, flipped = data.get("max_relative_error"), data.get("flipped_decisions")
    line = (
        f"{'Passed' if passed else 'Failed'}: largest relative error {number(_plain(worst), 2)} "
        f"(allowed {number(_plain(_inside(data, 'tolerance', 'relative')), 2)}), "
        f"{count(int(flipped), 'flipped decision') if isinstance(flipped, int) else 'decisions not compared'}; "
        f"against {data.get('reference', 'a reference')}. Exported to {data.get('artifact', 'an artifact')}."
    )
    caption = "Exported models against the reference, on real pixels in several image sizes"
    head = (
        "target",
        "images × rows × columns",
        "output",
        "values",
        "largest difference",
        "of what is allowed",
        "result",
    )
    return join(tag("p", line, class_="about"), table(head, list(_compared(data)), caption, numeric=3))


def _compared(data: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for result in data["results"]:
        if not isinstance(result, Mapping):
            continue
        for output in result.get("outputs") or ():
            if isinstance(output, Mapping):
                error = _plain(output.get("error"))
                yield (
                    str(result.get("target")),
                    str(result.get("case")).replace("x", " × "),
                    str(output.get("output")),
                    number(_plain(output.get("count"))),
                    number(_plain(output.get("largest")), 2),
                    f"{100 * error:.2g}\u202f%" if error is not None else "–",
                    str(output.get("problem") or "passes"),
                )


def environment(run: RunFiles) -> Html:
    """Versions, device, seed and hash."""
    versions = run.fact("versions") or {}
    rows = [("cuvisc", str(run.fact("cuvisc") or "–"))]
    rows += [(str(name), str(version)) for name, version in versions.items()]
    seconds = run.fact("seconds") or {}
    rows += [
        ("device", str(run.fact("device") or "–")),
        ("seed", str(run.fact("seed") if run.fact("seed") is not None else "–")),
        ("started", str(run.fact("started") or "–")),
        ("ended", str(run.fact("ended") or "–")),
        *((name, duration(value)) for name, value in seconds.items() if isinstance(value, (int, float))),
        ("weights kept", str(run.fact("kept") or "–")),
        ("trained nodes", ", ".join(map(str, run.fact("trained") or ())) or "none"),
        ("run folder", run.folder.name),
    ]
    digest = run.fact("spec_sha256")
    return join(pairs(rows), tag("p", "SHA-256 of the spec: ", code(str(digest or "–")), class_="about hash"))


def spec(run: RunFiles) -> Html:
    """The spec in canonical form, as the run folder keeps it."""
    if run.spec is None:
        return absent(f"Not shown: {run.problems['spec']}.")
    about = "All defaults files and overrides applied; what comes from the environment stays a name."
    listing = tag("pre", tag("code", run.spec), tabindex=0, role="region", aria_label="spec.resolved.yaml")
    return join(tag("p", about, class_="about"), listing)


def figures(run: RunFiles) -> Html:
    """The newest figure of every visualization leaf."""
    if not run.figures:
        leaves = run.summary.graph.leaves if run.summary is not None else ()
        drawing = any(leaf.kind == "visualization" for leaf in leaves)
        return absent("None were drawn." if drawing else "The spec has no visualization leaves.")
    shown = [made for figure in run.figures[:_MOST_FIGURES] if (made := _figure(figure)) is not None]
    left = len(run.figures) - len(shown)
    more = tag("p", f"{count(left, 'more figure')} in the run folder.", class_="about") if left else None
    return join(tag("div", shown, class_="leaf-figures"), more)


def _figure(figure: LeafFigure) -> Html | None:
    try:
        if figure.path.stat().st_size > _LARGEST_FIGURE:
            return None
        content = figure.path.read_bytes()
    except OSError:
        return None
    if not content.startswith(_PNG):
        return None
    uri = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    words = f"{figure.leaf}, {figure.stage}, step {figure.step}"
    older = f"; {count(figure.older, 'older one')} in figures/" if figure.older else ""
    return tag(
        "figure", tag("img", src=uri, alt=words), tag("figcaption", words + older), class_="leaf-figure"
    )


def _plain(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _inside(data: Mapping[str, Any], *path: str) -> Any:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
