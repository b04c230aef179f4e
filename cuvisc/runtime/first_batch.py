"""The batches of phase 1, the first of them held against what leaves will read: nobody waits for phase 1 in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

from cuvisc.language.leaf import LossNode, MetricNode
from cuvisc.runtime.attached import Attached
from cuvisc.runtime.data.datamodule import GraphDataModule, validates_on_training
from cuvisc.schema.errors import DataError

_MASK = "mask"
_LABELS = "labels"
_WHERE_FROM = (
    "a mask is a file beside every cube, such as scene_mask.png, an array `mask` in it, or what `mask` of a CubeFolder "
    "names; a data module of one's own puts it into its batches"
)


def readers_of_training(
    leaves: Sequence[Attached], datamodule: Any, trains: bool, validates: bool
) -> list[Attached]:
    """The leaves that are sure to be handed training batches: losses, and metrics where those are validated on too."""
    same = validates and isinstance(datamodule, GraphDataModule) and validates_on_training(datamodule)
    kinds = (LossNode, MetricNode) if same else (LossNode,) if trains else ()
    return [attached for attached in leaves if isinstance(attached.leaf, kinds)]


def looked_at(batches: Iterable[Any], readers: Sequence[Attached]) -> Iterable[Any]:
    """The same batches; :class:`DataError` where the first lacks what a leaf reads. Their number stays known."""
    return _SizedLook(batches, readers) if isinstance(batches, Sized) else _Look(batches, readers)


class _Look:
    def __init__(self, batches: Iterable[Any], readers: Sequence[Attached]) -> None:
        self._batches, self._readers = batches, readers

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(self._batches):
            if number == 0 and isinstance(batch, Mapping):
                _refuse_lacking(self._readers, batch)
            yield batch


class _SizedLook(_Look):
    def __len__(self) -> int:
        assert isinstance(self._batches, Sized)
        return len(self._batches)


def _refuse_lacking(readers: Iterable[Attached], batch: Mapping[Any, Any]) -> None:
    held = [str(name) for name, value in batch.items() if value is not None]
    for reader in readers:
        for need in reader.leaf.needs:
            stand_ins = (_LABELS,) if need == _MASK else ()
            if need in held or any(name in held for name in stand_ins):
                continue
            wanted = f"`{need}`" + "".join(f" (or `{name}`)" for name in stand_ins)
            raise DataError(
                f"`{reader.id}`: {type(reader.leaf).__name__} reads {wanted} of the batch, "
                f"which holds {', '.join(held) or 'nothing'}{f'; {_WHERE_FROM}' if need == _MASK else ''}"
            )
