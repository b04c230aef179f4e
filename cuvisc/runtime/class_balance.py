"""How many pixels of every class training, validation and test have, counted from ground truth alone, and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import CompiledGraph
from cuvisc.runtime.data.cube_samples import IGNORED, KnownRegions
from cuvisc.runtime.data.datamodule import GraphDataModule, Stage
from cuvisc.runtime.data.regions import STAGES
from cuvisc.runtime.mapped_truth import anomalies_in, mappers_of, with_mapped_truth
from cuvisc.runtime.progress import bars_wanted, follow, log

_SHOWN_CLASSES = 20
_TRUTH = ("mask", "labels")
_NOTHING_SAYS = "the labels are class ids and nothing says which of them are anomalies"
_LOST_IDS = (
    "the graph maps class ids, but what a mask holds above 0 is made 1 when it is read: name the files of class ids as "
    "`labels`"
)


@dataclass
class Balance:
    """Pixels: all, ignored ones, anomalies as losses see them (None where nothing says), those of every class.

    `undeclared`: there are several classes above 0, and nothing says which of them are anomalies.
    """

    pixels: int = 0
    ignored: int = 0
    anomalies: int | None = None
    classes: Counter[int] = field(default_factory=Counter)
    undeclared: bool = False

    def add(self, truth: Mapping[str, NDArray[Any]], module: CompiledGraph) -> None:
        """Count the ground truth of some pixels, class ids mapped as the graph maps them."""
        known = [truth[kind] for kind in _TRUTH if kind in truth]
        if not known:
            return
        ignored = known[0] == IGNORED
        self.pixels += known[0].size
        self.ignored += int(np.count_nonzero(ignored))
        if "labels" in truth or (mappers_of(module) and known[0].dtype != np.bool_):
            values, counts = np.unique(known[-1][~ignored], return_counts=True)
            self.classes.update(dict(zip(map(int, values), map(int, counts), strict=True)))
        native = {kind: _native(truth[kind]) for kind in _TRUTH if kind in truth}
        self.undeclared = (
            with_mapped_truth(module, native).get("mask") is None and max(self.classes, default=0) > 1
        )
        anomalous = anomalies_in(module, native)
        if anomalous is not None:
            self.anomalies = (self.anomalies or 0) + int(np.count_nonzero(anomalous.numpy() & ~ignored))

    @property
    def normal(self) -> int:
        """Pixels that are judged and no anomaly."""
        return self.pixels - self.ignored - (self.anomalies or 0)

    def words(self) -> str:
        """One line for people."""
        text = f"{self.pixels} pixels"
        if self.anomalies is not None:
            share = self.anomalies / max(self.pixels - self.ignored, 1)
            text += f", {self.anomalies} anomalous ({share:.2%})"
        if self.ignored:
            text += f", {self.ignored} ignored"
        if len(self.classes) > 1:
            shown = [f"{label}: {count}" for label, count in sorted(self.classes.items())[:_SHOWN_CLASSES]]
            text += f"; by class {', '.join(shown)}{', …' if len(self.classes) > _SHOWN_CLASSES else ''}"
        return text


def log_balance(datamodule: Any, graph: TypedGraph, module: CompiledGraph) -> None:
    """Say how many pixels of every class each stage has, where that is known without reading cubes.

    Warns of a loss that reads the mask where training has no anomaly or nothing else, and so of metrics and validation.
    """
    found = count_stages(datamodule, module)
    for stage, balance in found.items():
        log.info("%s: %s", stage, balance.words())
    readers = [leaf for leaf in graph.leaves if "mask" in leaf.entry.get("needs", ())]
    losses = [leaf for leaf in readers if leaf.kind == "loss"]
    lost = _stages_of_lost_ids(datamodule) if mappers_of(module) else []
    if lost:
        log.warning("%s: %s", ", ".join(lost), _LOST_IDS)
    undeclared = [stage for stage, balance in found.items() if balance.undeclared]
    if undeclared:
        told = log.warning if readers else log.info
        told("%s: %s", ", ".join(undeclared), undeclared_classes([leaf.id for leaf in readers]))
    train, val = found.get("train"), found.get("val")
    if train is not None and losses and not train.anomalies:
        names = ", ".join(f"`{leaf.id}`" for leaf in losses)
        log.warning("training has no anomalous pixel, so %s can only learn that nothing is one", names)
    elif train is not None and losses and not train.normal:
        names = ", ".join(f"`{leaf.id}`" for leaf in losses)
        log.warning("training has no normal pixel, so %s can only learn that everything is an anomaly", names)
    elif train is not None and any("pos_weight" in leaf.params for leaf in losses):
        ratio = train.normal / (train.anomalies or 1)
        log.info("normal / anomalous is %.3g: a `pos_weight` of that balances the two", ratio)
    if val is not None and not (val.anomalies and val.normal) and len(readers) > len(losses):
        lacking = "normal" if val.anomalies else "anomalous"
        log.warning(
            "validation has no %s pixel, so AUROC and average precision are not defined there", lacking
        )


def undeclared_classes(readers: Sequence[str]) -> str:
    """What becomes of class ids of which nothing says which are anomalies; `readers` are leaves that read a mask."""
    if not readers:
        return f"{_NOTHING_SAYS}; they are read as classes"
    names = ", ".join(f"`{name}`" for name in readers)
    return f"{_NOTHING_SAYS}, so that {names} {'count' if len(readers) > 1 else 'counts'} every class above 0 as one"


def count_stages(datamodule: Any, module: CompiledGraph) -> dict[Stage, Balance]:
    """The balance of every stage that has samples of its own with ground truth to be read without their cubes."""
    found: dict[Stage, Balance] = {}
    for stage in STAGES if isinstance(datamodule, GraphDataModule) else ():
        samples = datamodule.samples(stage)
        if not isinstance(samples, KnownRegions) or not any(region.file.truth for region in samples.regions):
            continue
        balance = found[stage] = Balance()
        for index in follow(range(len(samples.regions)), f"Reading ground truth of {stage}", bars_wanted()):
            balance.add(samples.truth(index), module)
    return found


def _stages_of_lost_ids(datamodule: Any) -> list[Stage]:
    """Stages of whose masks 0 and 1 alone are left, and which have no labels."""
    found = []
    for stage in STAGES if isinstance(datamodule, GraphDataModule) else ():
        samples = datamodule.samples(stage)
        if isinstance(samples, KnownRegions) and samples.classes is not None:
            held = {kind for region in samples.regions for kind in region.file.truth}
            found += [stage] if held == {"mask"} else []
    return found


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="), copy=False)
