"""An interrupted run to one that goes on: its folder and state, and what about its spec may differ from then on.

A run is resumed from `checkpoints/resume.safetensors` of its own folder, which holds plain values; no pickle is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuvisc.runtime.epoch_state import OWN, STATE, read_state
from cuvisc.runtime.progress import log
from cuvisc.runtime.run_folder import CHECKPOINTS, RunFolder, read_spec, versions
from cuvisc.schema.errors import SpecError
from cuvisc.schema.spec import Spec

_TRAINER = ("max_epochs", "max_time", "enable_progress_bar", "profiler")
FREE = (
    *(("training", "trainer", option) for option in _TRAINER),
    ("training", "cache"),
    ("datamodule", "num_workers"),
    ("datamodule", "data_dir"),
    ("monitoring",),
)
_NOTHING = object()


@dataclass
class Resumption:
    """A run to go on with: its folder and the state between two epochs, None where not one had begun."""

    folder: RunFolder
    state: Mapping[str, Any] | None
    changes: Sequence[str] = ()

    def begin(self, spec: Spec) -> None:
        """Write that the run goes on; before that, all its processes have read where it stands."""
        self.folder.resume(self.epochs, spec, self.changes)

    @property
    def path(self) -> Path:
        """The file that the state was read from."""
        return self.folder.path / CHECKPOINTS / STATE

    @property
    def epochs(self) -> int:
        """Epochs that are over."""
        return int(self.state[OWN]["epochs"]) if self.state is not None else 0

    @property
    def steps(self) -> int:
        """Steps of the optimizer that are over."""
        return int(self.state["global_step"]) if self.state is not None else 0

    @property
    def own(self) -> Mapping[str, Any]:
        """What cuvisc added to Lightning's state."""
        assert self.state is not None
        own: Mapping[str, Any] = self.state[OWN]
        return own


def resume_run(folder: RunFolder, spec: Spec, epochs: int) -> Resumption | None:
    """The run in a folder, ready to go on until `epochs` are over; None when there is nothing left to do.

    Raises :class:`SpecError` for a spec that is not the run's, and :class:`DataError` for a state that is not.
    """
    place, finished = folder.path, folder.facts.get("status") == "finished"
    if folder.facts.get("trial"):
        raise SpecError(f"{place} is a trial (fast_dev_run), which keeps nothing that could be resumed")
    changes = dict(differences(read_spec(place), spec.to_dict()))
    _refuse_changes(place, changes)
    state = read_state(place / CHECKPOINTS / STATE, folder.facts.get("id", ""))
    found = Resumption(folder, state, [f"{path}={_shown(new)}" for path, (_, new) in changes.items()])
    if finished and (not changes or epochs == found.epochs):
        log.info("%s is finished; to go on, raise training.trainer.max_epochs", place)
        return None
    if finished and found.state is None:
        raise SpecError(f"{place} is finished and kept no checkpoint to go on from")
    if 0 <= epochs < found.epochs:
        raise SpecError(
            f"training.trainer.max_epochs is {epochs}, but {found.epochs} epochs of {place} are over already"
        )
    _speak(found)
    return found


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The dotted paths at which two trees of plain data differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(old.get(key, _NOTHING), new.get(key, _NOTHING), inner)
    elif isinstance(old, Mapping) and new is _NOTHING:
        yield from differences(old, {}, path)
    elif isinstance(new, Mapping) and old is _NOTHING:
        yield from differences({}, new, path)
    elif old != new:
        yield path, (old, new)


def _refuse_changes(place: Path, changes: Mapping[str, tuple[Any, Any]]) -> None:
    refused = [
        f"`{path}` is {_shown(new)}, was {_shown(old)}"
        for path, (old, new) in changes.items()
        if not any(tuple(path.split("."))[: len(free)] == free for free in FREE)
    ]
    if refused:
        free = ", ".join(".".join(path) for path in FREE)
        raise SpecError(
            f"{place} cannot be resumed with another spec: {'; '.join(refused)}. Start a new run for that; what may "
            f"change is {free}"
        )


def _speak(found: Resumption) -> None:
    place, facts = found.folder.path, found.folder.facts
    if found.state is None:
        log.info("%s has no checkpoint yet: starting from the beginning", place)
        return
    log.info(
        "Resuming %s after epoch %d from its own %s/%s (plain tensors and numbers, no pickle)",
        place,
        found.epochs,
        CHECKPOINTS,
        STATE,
    )
    before, now = facts.get("versions", {}).get("torch"), versions()["torch"]
    if before != now:
        log.warning(
            "%s was begun with torch %s, this is %s: numbers may differ from here on", place, before, now
        )


def _shown(value: Any) -> str:
    return "not given" if value is _NOTHING else json.dumps(value, ensure_ascii=False, default=str)
