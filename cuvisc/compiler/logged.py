"""The names under which training logs, and what waits for a name that is none of them.

An error where the training would stop for it, else a warning. Losses and metrics say what they log. Pure Python: never
torch or numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cuvisc.compiler.gradients import nothing_trains
from cuvisc.compiler.graph import TypedGraph, TypedLeaf
from cuvisc.compiler.references import listed
from cuvisc.language.choose import read_choice
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics, closest, did_you_mean
from cuvisc.schema.document import Path
from cuvisc.schema.places import CALLBACKS
from cuvisc.schema.wording import dotted

_STAGES = ("train", "val")
_METRICS = "val/metric/"
_LIGHTNINGS_OWN = {f"{stage}_loss": f"{stage}/loss/total" for stage in _STAGES}
_BAND = "{k}"


def check_monitored(graph: TypedGraph, catalogue: Catalogue, diagnostics: Diagnostics) -> None:
    """Report callbacks and schedulers that watch a value which nothing logs."""
    watches = list(_watches(graph, catalogue))
    if not watches:
        return
    logged = expected_names(graph)
    epochs = _trainer(graph).get("max_epochs")
    trains = nothing_trains(graph) is None if epochs is None else epochs != 0
    for watch in watches:
        if logged.has(watch.name):
            continue
        default = "" if watch.said else " by default"
        report, code = (
            (diagnostics.error, "E315") if trains and watch.strict else (diagnostics.warning, "W305")
        )
        report(
            code,
            f"`{dotted(watch.path)}` waits for `{watch.name}`{default}, which is never logged",
            graph.spec.document.value_span(watch.path),
            help=logged.advice(watch.name),
        )


@dataclass(frozen=True)
class Logged:
    """Every name that is logged, and how names begin of which more is not known."""

    names: tuple[str, ...]
    beginnings: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether a value of that name may be logged."""
        return name in (*self.names, "lr") or name.startswith((*self.beginnings, "lr-"))

    def advice(self, written: str) -> str:
        """What to write instead of a name that is not logged."""
        return _meant(written, self.names) or self.describe()

    def describe(self) -> str:
        """What there is, in words."""
        known = [*self.names, *(f"{beginning}…" for beginning in self.beginnings)]
        return f"logged are {listed(known)}" if known else "without a loss or a metric nothing is logged"


def _meant(written: str, names: Sequence[str]) -> str:
    """Help naming the logged value that was meant, be it by its last part alone; "" when none is close."""
    by_last = {name.rpartition("/")[2]: name for name in names}
    last = closest(written, list(by_last))
    if last is not None and "/" not in written and written not in _LIGHTNINGS_OWN:
        return f"did you mean `{by_last[last]}`?"
    return did_you_mean(_LIGHTNINGS_OWN.get(written, written), names)


@dataclass(frozen=True)
class _Watch:
    """A value that is waited for; `said` is false where it is the default of whatever waits, `strict` where
    that can do without it."""

    path: Path
    name: str
    said: bool = True
    strict: bool = True


def _watches(graph: TypedGraph, catalogue: Catalogue) -> Iterator[_Watch]:
    training = graph.spec.training
    callbacks = _trainer(graph).get("callbacks")
    for index, callback in enumerate(callbacks if isinstance(callbacks, (list, tuple)) else ()):
        if callback.get("enabled", True):
            yield from _watched_by(callback, (*CALLBACKS, index), catalogue)
    optimizer = training.get("optimizer")
    scheduler = optimizer.get("scheduler") if isinstance(optimizer, Mapping) else None
    watched = scheduler.get("monitor") if isinstance(scheduler, Mapping) else None
    if isinstance(watched, str):
        yield _Watch(("training", "optimizer", "scheduler", "monitor"), watched)


def _watched_by(callback: Mapping[str, object], path: Path, catalogue: Catalogue) -> Iterator[_Watch]:
    written = str(callback.get("type") or callback.get("_target_"))
    name = catalogue.resolve_target("callback", written)
    definition = catalogue.definition("callback", name) if name is not None else None
    default = definition["properties"].get("monitor", {}).get("default") if definition is not None else None
    watched = callback.get("monitor", default)
    if isinstance(watched, str):
        strict = callback.get("strict", True) is not False
        yield _Watch((*path, "monitor"), watched, "monitor" in callback, strict)


def _trainer(graph: TypedGraph) -> Mapping[str, object]:
    trainer = graph.spec.training.get("trainer")
    return trainer if isinstance(trainer, Mapping) else {}


def expected_names(graph: TypedGraph) -> Logged:
    """What the training of a graph logs, validated or not as its spec says."""
    return logged_names(graph, validates=_trainer(graph).get("limit_val_batches") != 0)


def logged_names(graph: TypedGraph, validates: bool) -> Logged:
    """What the training of a graph logs, with its validations or without."""
    losses = [leaf.id for leaf in graph.leaves if leaf.kind == "loss"]
    stages = _STAGES if validates else _STAGES[:1]
    names = [f"{stage}/loss/{name}" for stage in stages for name in (*losses, "total")] if losses else []
    metrics = [leaf for leaf in graph.leaves if leaf.kind == "metric"] if validates else []
    of_leaf = {leaf.id: list(metric_names(graph, leaf)) for leaf in metrics}
    counts = Counter(name for found in of_leaf.values() for name in found)
    patterns: dict[str, None] = {}
    for leaf, found in of_leaf.items():
        for name in found:
            full = f"{_METRICS}{name}" if counts[name] == 1 else f"{_METRICS}{leaf}/{name}"
            if _BAND in full:
                patterns[full.partition(_BAND)[0]] = None
            else:
                names.append(full)
    if any(_declared(leaf) is None for leaf in metrics):
        patterns = {_METRICS: None}
    return Logged(tuple(names), tuple(patterns))


def metric_names(graph: TypedGraph, leaf: TypedLeaf) -> Iterator[str]:
    """The names that a metric declares, with `{k}` only where the number of bands is not known."""
    bands = graph.port(leaf.parent).type.dims[-1]
    for name in _declared(leaf) or ():
        if _BAND in name and isinstance(bands, int):
            yield from (name.replace(_BAND, str(band)) for band in range(1, bands + 1))
        else:
            yield name


def _declared(leaf: TypedLeaf) -> Sequence[str] | None:
    names: Sequence[str] | None = read_choice(leaf.entry.get("logs"), leaf.params)
    return names
