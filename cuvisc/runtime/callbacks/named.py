"""Lightning callbacks a spec can name, with their parameters declared; `make` gives Lightning's own object.

Lightning is imported when a callback is made, not before.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cuvisc.language.declare import Declared, Param, ParameterError
from cuvisc.language.forms import DURATION, AtLeast, Condition
from cuvisc.runtime.config import MONITORED


class _NamedCallback(Declared):
    """A declared callback; the class in `lightning.pytorch.callbacks` has the same name and parameters."""

    kind: ClassVar[str] = "callback"

    def make(self, checkpoints: Path) -> Any:
        """Lightning's callback; `checkpoints` is the run's folder for them."""
        module = importlib.import_module("lightning.pytorch.callbacks")
        return getattr(module, type(self).__name__)(**self.params())


class EarlyStopping(_NamedCallback):
    """Stop when a logged value has not improved for some validations."""

    monitor: str = Param(MONITORED, "the logged value that has to improve")
    mode: str = Param("min", "whether the value should fall or rise", choices=("min", "max"))
    patience: int = Param(3, "validations without improvement before stopping", ge=0)
    min_delta: float = Param(0.0, "smallest change that counts as improvement", ge=0)
    stopping_threshold: float | None = Param(None, "stop as soon as the value is this good")
    divergence_threshold: float | None = Param(None, "stop as soon as the value is this bad")
    check_finite: bool = Param(True, "stop when the value is NaN or infinite")
    strict: bool = Param(True, "an error when the value is not logged")
    check_on_train_epoch_end: bool | None = Param(None, "look after training epochs instead of validations")


class ModelCheckpoint(_NamedCallback):
    """Keep checkpoints by a logged value, in place of the run's own `best` and `last`."""

    conditions = (
        Condition(
            "monitor", None, "save_top_k", (-1, 0, 1), "without a `monitor` there are no best ones to keep"
        ),
        Condition(
            "every_n_epochs",
            AtLeast(1),
            "every_n_train_steps",
            (None, 0),
            "checkpoints are written by epochs or by steps, not by both",
        ),
    )
    dirpath: str | None = Param(None, "folder; null: `checkpoints` of the run")
    filename: str | None = Param("{epoch}-{step}", "file name, such as best-{epoch:02d}")
    monitor: str | None = Param(MONITORED, "the logged value that decides; null: the last one")
    mode: str = Param("min", "whether the value should fall or rise", choices=("min", "max"))
    save_top_k: int = Param(1, "checkpoints kept; -1: all", ge=-1)
    save_last: bool | None = Param(None, "keep the last one too, as last.ckpt")
    save_weights_only: bool = Param(False, "leave out optimizer and scheduler")
    auto_insert_metric_name: bool = Param(True, "write names of values into the file name")
    every_n_epochs: int | None = Param(None, "epochs between two checkpoints", ge=0)
    every_n_train_steps: int | None = Param(None, "steps between two checkpoints", ge=0)

    def make(self, checkpoints: Path) -> Any:
        self.dirpath = self.dirpath or str(checkpoints)
        return super().make(checkpoints)


class LearningRateMonitor(_NamedCallback):
    """Log the learning rate under Lightning's names as well, such as `lr-Adam`."""

    logging_interval: str | None = Param(None, "when", choices=(None, "step", "epoch"))
    log_momentum: bool = Param(False, "log the momentum too")
    log_weight_decay: bool = Param(False, "log the weight decay too")


class StochasticWeightAveraging(_NamedCallback):
    """End with the mean of the weights after each of the last epochs (Izmailov et al. 2018).

    `weights.safetensors` and the metrics of the run are those of the mean; checkpoints hold the weights themselves.
    """

    swa_lrs: float = Param(doc="learning rate while averaging", gt=0)
    swa_epoch_start: int | float = Param(
        0.8, "first averaged epoch: a number from 1 or a share of all", ge=0, share=True
    )
    annealing_epochs: int = Param(10, "epochs until that rate is reached", ge=0)
    annealing_strategy: str = Param("cos", "how it is reached", choices=("cos", "linear"))

    def make(self, checkpoints: Path) -> Any:
        from cuvisc.runtime.callbacks.averaging import AveragedWeights

        return AveragedWeights(
            self.swa_lrs, self.swa_epoch_start, self.annealing_epochs, self.annealing_strategy
        )


class Timer(_NamedCallback):
    """Stop after a time."""

    duration: str = Param(doc="time at most, as DD:HH:MM:SS", form=DURATION)
    interval: str = Param("step", "when to look", choices=("step", "epoch"))


class DeviceStatsMonitor(_NamedCallback):
    """Log memory and load of the device."""

    cpu_stats: bool | None = Param(None, "log those of the CPU; null: where it is the device")


_COPYING = tuple(
    f"lightning.pytorch.callbacks.{module}" for module in ("stochastic_weight_avg", "weight_averaging")
)
NAMED: Mapping[str, type[_NamedCallback]] = {cls.__name__: cls for cls in _NamedCallback.__subclasses__()}


def make_callbacks(entries: Sequence[Any], checkpoints: Path) -> list[Any]:
    """Lightning callbacks from mappings, declared callbacks and Lightning's own objects."""
    made = (_declared(entry) if isinstance(entry, Mapping) else entry for entry in entries)
    callbacks = [
        entry.make(checkpoints) if isinstance(entry, _NamedCallback) else entry for entry in made if entry
    ]
    for callback in callbacks:
        if type(callback).__module__ in _COPYING:
            raise ParameterError(
                f"TrainerConfig: `callbacks`: Lightning's {type(callback).__name__} copies the module before phase 1 "
                "has made its parameters; use {'type': 'StochasticWeightAveraging', 'swa_lrs': …}"
            )
        if not hasattr(callback, "on_train_epoch_end"):
            raise ParameterError(
                f"TrainerConfig: `callbacks` are mappings with a `type` or Lightning callbacks, got {callback!r}"
            )
    return callbacks


def _declared(entry: Mapping[str, Any]) -> _NamedCallback | None:
    """The declared callback a mapping names; None where it is not enabled."""
    params = dict(entry)
    name = str(params.pop("type", params.pop("_target_", ""))).rpartition(".")[2]
    if name not in NAMED:
        raise ParameterError(
            f"TrainerConfig: a callback's `type` is one of {', '.join(sorted(NAMED))}, got {name!r}"
        )
    return NAMED[name](**params) if params.pop("enabled", True) else None
