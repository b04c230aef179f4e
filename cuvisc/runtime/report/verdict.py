"""The head of the page: whether the run finished, how good the detector is, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cuvisc.runtime.report.markup import (
    Html,
    code,
    count,
    duration,
    join,
    marked,
    number,
    percent,
    share,
    tag,
)
from cuvisc.runtime.report.run_files import RunFiles

_SYMBOLS = {"finished": "✓", "failed": "✕", "interrupted": "‖", "running": "…"}
_TILES = (
    ("auroc", "AUROC"),
    ("average_precision", "Average precision"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("f1", "F1"),
)
_MARGIN_OF_F1 = 0.02


def head(run: RunFiles) -> Html:
    """Name, status, verdict, key numbers and notes."""
    return tag(
        "header",
        tag("p", "cuvisc report", class_="kicker"),
        tag("h1", run.name, " ", chip(run)),
        tag("p", ("; ".join(_circumstances(run))), class_="meta"),
        tag("p", verdict(run), class_="verdict"),
        tiles(run),
        notes(run),
    )


def chip(run: RunFiles) -> Html:
    """How the run ended, in a word."""
    status = run.status
    symbol = tag("span", _SYMBOLS.get(status, "?"), aria_hidden="true")
    return tag("span", symbol, " ", status, class_=f"chip {status if status in _SYMBOLS else 'running'}")


def verdict(run: RunFiles) -> Html:
    """What the detector does with the validation data, in a sentence."""
    broken = _broken(run)
    if broken is not None:
        return broken
    main = run.found("main")
    if run.found("images") is None:
        return join("The run had no validation data, so nothing was measured.")
    if not main:
        return join(
            "The graph gives neither scores nor decisions of one band, so there is no detector to judge."
        )
    confusion, pixels = main.get("confusion"), main["pixels"]
    if confusion is not None and main["anomalies"]:
        normal = confusion["alarms"] + confusion["rejections"]
        return join(
            "Finds ",
            tag("strong", f"{number(confusion['hits'])} of {count(main['anomalies'], 'anomalous pixel')}"),
            f" ({share(confusion['hits'], main['anomalies'])}) and raises ",
            tag("strong", count(confusion["alarms"], "false alarm")),
            f" in {count(normal, 'normal pixel')}"
            + (f" ({share(confusion['alarms'], normal)})." if normal else "."),
        )
    if main.get("auroc") is not None:
        often = percent(main["auroc"])
        return join(
            "Scores an anomalous pixel above a normal one ",
            tag("strong", f"{often} of the time"),
            "; nothing in the graph decides, so there is no threshold to judge.",
        )
    why = "the validation data has no mask" if main["anomalies"] is None else "its mask has no anomaly"
    if main.get("detections") is not None:
        return join(
            f"Decides {number(main['detections'])} of {count(pixels, 'pixel')} ({share(main['detections'], pixels)}) "
            f"to be anomalies; {why}, so nobody can say how many of them are."
        )
    return join(f"Scores {count(pixels, 'pixel')}; {why}, so nobody can say how well.")


def _broken(run: RunFiles) -> Html | None:
    """The verdict of a run that says nothing about a detector, None of any other."""
    if run.status == "failed":
        error = run.fact("error") or {}
        said = f"{error.get('type', 'error')}: {error.get('message', 'without a message')}"
        return join("The run failed: ", code(said))
    if run.status == "interrupted":
        return join(f"The run was interrupted{_how_far(run)}.")
    if run.status != "finished":
        return join(f"The run has not finished{_how_far(run)}: it is still going on, or was killed.")
    if run.evidence is None:
        return join(
            f"The run finished, but nothing was measured for this report: {run.problems['evidence']}."
        )
    return None


def _how_far(run: RunFiles) -> str:
    if not run.history.series:
        return " before anything was logged"
    epoch, epochs = int(run.history.epochs) + 1, run.fact("epochs")
    return f" in epoch {number(epoch)} of {number(epochs)}; what was logged until then is under Training"


def _circumstances(run: RunFiles) -> Iterator[str]:
    started = run.fact("started")
    if isinstance(started, str):
        yield started.replace("T", " ").replace("Z", " UTC")
    images = run.found("images")
    if images:
        yield f"validated on {count(images['read'], 'image')}, {count(images['pixels'], 'pixel')}"
    channels, dtype = run.fact("input", "channels"), run.fact("input", "dtype")
    if channels:
        yield f"{channels} bands of {dtype}"
    epochs = run.fact("epochs")
    if isinstance(epochs, int) and run.status == "finished":
        yield count(epochs, "epoch") if epochs else "statistics only, no gradients"
    total = run.fact("seconds", "total")
    if isinstance(total, (int, float)):
        yield f"{duration(total)} on {run.fact('device') or 'an unnamed device'}"
    if run.parity is not None:
        worst = run.parity.get("max_relative_error")
        shown = f" (largest relative error {number(worst, 2)})" if isinstance(worst, float) else ""
        yield f"exported, parity {'passed' if run.parity.get('passed') is True else 'failed'}{shown}"
    if run.fact("trial"):
        yield "a trial run (fast_dev_run)"


def notes(run: RunFiles) -> Html | None:
    """What to know before believing the numbers, None where there is nothing."""
    found = list(_notes(run))
    return tag("ul", (tag("li", note) for note in found), class_="notes") if found else None


def tiles(run: RunFiles) -> Html | None:
    """The key numbers, None where none was measured."""
    main = run.found("main")
    if not main or all(main.get(key) is None for key, _ in _TILES):
        return None
    return tag("dl", (_tile(main, key, name) for key, name in _TILES), class_="tiles")


def _tile(main: dict[str, Any], key: str, name: str) -> Html:
    value = main.get(key)
    if value is None:
        shown, note = "–", main.get("reasons", {}).get(key, "not measured")
    else:
        shown, note = f"{value:.3f}", _context(main, key)
    return tag("div", tag("dt", name), tag("dd", shown, class_="value"), tag("dd", note, class_="context"))


def _context(main: dict[str, Any], key: str) -> str:
    confusion = main.get("confusion") or {}
    if key == "auroc":
        return "chance 0.5, perfect 1"
    if key == "average_precision":
        return f"chance {number(main['anomalies'] / main['pixels'], 2)}, perfect 1"
    if key == "precision":
        return f"{number(confusion['hits'])} of {count(main['detections'], 'detection')} right"
    if key == "recall":
        return f"{number(confusion['hits'])} of {count(main['anomalies'], 'anomaly', 'anomalies')} found"
    best = main.get("best_f1")
    return f"{best:.3f} at the best threshold" if best is not None else "of precision and recall"


def _notes(run: RunFiles) -> Iterator[Html]:
    main = run.found("main") or {}
    if run.status == "finished" and run.evidence is not None:
        yield from _notes_on_data(run)
    if main.get("threshold") is not None:
        unit = main["unit"] or "units of the value"
        words = f"Threshold: {number(main['threshold'])} ({unit}), set by {main['origin']}. "
        best, at = main.get("best_f1"), main.get("best_threshold")
        if best is not None and main.get("f1") is not None and best - main["f1"] > _MARGIN_OF_F1:
            words += (
                f"On these data F1 would be best at {number(at)}: {best:.3f} instead of {main['f1']:.3f}; "
                "choose on data that the report has not seen."
            )
        yield marked(words)
    elif main.get("confusion") is not None and main.get("name") is not None:
        yield marked(f"The decisions do not follow from a threshold on `{main['name']}`.")
    best_epoch, epochs = run.fact("best", "epoch"), run.fact("epochs")
    if run.fact("kept") == "last" and isinstance(best_epoch, int) and best_epoch < (epochs or 0):
        yield join(
            f"The validation loss was smallest after epoch {best_epoch} of {epochs}; the weights are those of the last "
            "epoch. ",
            code("keep: best"),
            " under ",
            code("training"),
            " keeps the others.",
        )
    excluded = run.fact("input", "excluded_pixels")
    if excluded:
        yield join(
            f"{count(excluded, 'training pixel')} had a band that is not finite and took no part in statistics."
        )


def _notes_on_data(run: RunFiles) -> Iterator[Html]:
    images, main, overlap = run.found("images"), run.found("main") or {}, run.found("overlap")
    if overlap and overlap["of"] and main.get("anomalies"):
        yield _on_overlap(overlap)
    if images and not images["complete"]:
        yield join(
            f"Measured on the first {count(images['read'], 'validation image')} only, to keep the report quick; "
            f"the metrics under Training are of all of them."
        )
    if images and 0 < images["labelled"] < images["read"]:
        yield join(
            f"{images['labelled']} of {images['read']} validation images have a mask; quality is about those."
        )
    if main.get("excluded"):
        yield join(
            f"{count(main['excluded'], 'validation pixel')} have no score (not a number) and are left out."
        )


def _on_overlap(overlap: dict[str, Any]) -> Html:
    shared, total = overlap["shared"], overlap["of"]
    against = overlap["against"]
    among = "the training images" if overlap["complete"] else f"the first {against} training images"
    if shared == total:
        which = "The validation image is" if total == 1 else f"All {total} validation images are"
        own = "a training image" if total == 1 else "training images"
        return join(
            tag("strong", f"{which} also {own}."),
            " These numbers say how well the graph fits what it has seen, not how well it generalises.",
        )
    if shared:
        return join(
            tag("strong", f"{shared} of {total} validation images are also among {among}."),
            " The numbers are better than they would be on new data.",
        )
    return join(f"None of the {count(total, 'validation image')} is among {among}, compared by content.")
