"""What callbacks and the scheduler wait for, compared with what is logged: before phase 1, and after every validation.

`validate` says the same of a spec; callbacks of Python, and data without a validation, are only known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from cuvisc.compiler.logged import Logged
from cuvisc.compiler.references import listed
from cuvisc.schema.errors import SpecError

_KNOWN = ("lightning.", "cuvisc.")


@dataclass(frozen=True)
class Expected:
    """A logged value without which training cannot go on, and who waits for it."""

    name: str
    by: str


def expected_of(callbacks: Sequence[Any], plateau: str | None) -> Iterator[Expected]:
    """What some callbacks wait for, and the value in which the scheduler looks for a `plateau`, if any."""
    for callback in callbacks:
        name = getattr(callback, "monitor", None)
        keeps = not isinstance(callback, ModelCheckpoint) or callback.save_top_k != 0
        if isinstance(name, str) and getattr(callback, "strict", True) and keeps:
            yield Expected(name, type(callback).__name__)
    if plateau is not None:
        yield Expected(plateau, "training.optimizer.scheduler")


def refuse_never_logged(expected: Sequence[Expected], callbacks: Sequence[Any], logged: Logged) -> None:
    """Raise :class:`SpecError` for a value that nothing logs; a callback of the user's may log anything."""
    if not all(type(callback).__module__.startswith(_KNOWN) for callback in callbacks):
        return
    for one in expected:
        if not logged.has(one.name):
            raise SpecError(f"{one.by} waits for `{one.name}`, which is never logged; {logged.describe()}")


class ExpectedValues(Callback):
    """Refuses a validation that leaves out what is waited for. Comes before the callbacks that wait."""

    def __init__(self, plateau: str | None) -> None:
        self._plateau = plateau

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        found = trainer.callback_metrics
        callbacks: list[Callback] = getattr(trainer, "callbacks")  # noqa: B009 - Lightning does not declare it
        for one in expected_of(callbacks, self._plateau):
            if one.name.startswith("val/") and one.name not in found:
                raise SpecError(
                    f"{one.by} waits for `{one.name}`, which the validation of epoch {trainer.current_epoch + 1} left "
                    "out: what its data does not define is not logged, such as an AUROC where every mask is empty; "
                    f"logged were {listed([name for name in found if name.startswith('val/')])}"
                )
