"""Predictors and what they predict to what a notebook shows of them: a table of outputs, maps. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cuvisc.runtime.notebook.frame import frame
from cuvisc.runtime.report import pictures
from cuvisc.runtime.report.maps import value as value_map
from cuvisc.runtime.report.markup import Html, code, count, number, table, tag

if TYPE_CHECKING:
    from cuvisc.runtime.inference import Predictor

_IMAGES = 3


def predictor_text(predictor: Predictor) -> str:
    """One line: the model, what it reads and gives, and where it runs."""
    manifest = predictor.manifest
    bands = "any number of bands" if manifest.channels is None else count(manifest.channels, "band")
    return f"<Predictor {manifest.name!r}: {bands} to {', '.join(predictor.output_names)}, on {predictor.device}>"


def predictor_html(predictor: Predictor) -> Html:
    """What the model reads and gives, and which decisions can be moved."""
    manifest = predictor.manifest
    bands = "any number of bands" if manifest.channels is None else count(manifest.channels, "band")
    reads = f"Reads cubes of {bands} of any numeric dtype; runs on {predictor.device} ({predictor.provider})."
    outputs = ((code(o.name), code(str(o.type)), o.unit or "–") for o in manifest.outputs)
    movable = ((code(t.node), code(t.output), number(t.default)) for t in manifest.thresholds)
    return frame(
        tag("h2", manifest.name),
        tag("p", reads, class_="about"),
        table(("output", "type", "unit"), outputs, "Outputs"),
        table(("node", "moves", "default"), movable, "Thresholds", numeric=2)
        if manifest.thresholds
        else None,
    )


def prediction_text(values: Mapping[str, NDArray[Any]]) -> str:
    """One line an output."""
    told = (f"{name}: {array.dtype} {_size(array)}" for name, array in values.items())
    return f"<Prediction {'; '.join(told)}>"


def prediction_html(values: Mapping[str, NDArray[Any]], units: Mapping[str, str | None]) -> Html:
    """A map of every output that is an image [H,W,K], of the first few of a stack [B,H,W,K]; the rest as a table."""
    maps, rest = [], []
    for name, array in values.items():
        images = list(_images(name, array))
        maps += [_map(title, image, units.get(name)) for title, image in images]
        if not images or (len(images) < len(array) and array.ndim == 4):
            rest.append((code(name), f"{array.dtype} {_size(array)}", units.get(name) or "–"))
    return frame(
        tag("div", maps, class_="maps") if maps else None,
        table(("output", "values", "unit"), rest, "All values" if maps else "Outputs") if rest else None,
    )


def _images(name: str, array: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    if 0 in array.shape:
        return
    if array.ndim == 3:
        yield name, array
    elif array.ndim == 4:
        several = len(array) > 1
        for index, image in enumerate(array[:_IMAGES]):
            yield f"{name}, image {index + 1} of {len(array)}" if several else name, image


def _map(name: str, image: NDArray[Any], unit: str | None) -> Html:
    shown, bands = pictures.picture(image, pictures.step_for(*image.shape[:2]))
    return value_map(name, shown, {"unit": unit, "bands": bands, "of": image.shape[-1]})


def _size(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))
