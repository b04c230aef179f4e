"""The `training` section, declared once: the same names, defaults and bounds in Python and in YAML.

`TrainingConfig` holds a `TrainerConfig` and an `OptimizerConfig`, which holds a `SchedulerConfig`. Nothing here imports
torch or lightning; `cuvisc.runtime.training` turns a configuration into Lightning's objects.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from cuvisc.language.declare import Declared, Param, ParameterError
from cuvisc.language.forms import DURATION, Condition, Form

MONITORED = "val/loss/total"
DEFAULT_EPOCHS = 10
PRECISIONS = ("32", "16-mixed", "bf16-mixed")
_DEEPSPEED = (
    "",
    "_stage_1",
    "_stage_2",
    "_stage_2_offload",
    "_stage_3",
    "_stage_3_offload",
    "_stage_3_offload_nvme",
)
# Lightning's others copy the process, monitors and open files with it, or compile every step for a TPU.
STRATEGIES = (
    *("auto", "ddp", "fsdp", "fsdp_cpu_offload", "single_device"),
    *(f"ddp_find_unused_parameters_{found}" for found in ("true", "false")),
    *(f"deepspeed{stage}" for stage in _DEEPSPEED),
)
_DEVICES = Form(r"auto|-1|\d+(\s*,\s*\d+)*,?", 'a number, indices such as "0, 1", or auto')
_HALF = Condition(
    "accelerator",
    "cpu",
    "precision",
    tuple(precision for precision in PRECISIONS if precision != "16-mixed"),
    "16-mixed needs a GPU: gradients in float16 must be scaled, which is done on GPUs only",
)
SCHEDULERS: Mapping[str, tuple[str, ...]] = {
    "reduce_on_plateau": ("monitor", "mode", "factor", "patience", "min_lr"),
    "cosine": ("t_max", "min_lr"),
    "step": ("step_size", "gamma"),
    "exponential": ("gamma",),
    "one_cycle": ("max_lr", "pct_start"),
    "none": (),
}


class Section(Declared):
    """A mapping of the spec as a declared class; `parts` are the sections nested in it."""

    parts: ClassVar[Mapping[str, Any]] = {}
    python_only: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Checked values, nested sections made from mappings; raises :class:`ParameterError`."""
        nested = {name: part.of(given.get(name)) for name, part in cls.parts.items()}
        return super().check_params({**given, **nested})

    @classmethod
    def of(cls, value: Any) -> Self:
        """A section from itself, from a mapping, or from nothing (all defaults)."""
        if isinstance(value, cls):
            return value
        if value is None or isinstance(value, Mapping):
            return cls(**(value or {}))
        raise ParameterError(f"{cls.__name__} is made of a mapping, got {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Every value as plain data, nested sections as mappings; what is Python only is left out."""
        plain = {name: value for name, value in self.params().items() if name not in self.python_only}
        return {
            name: value.to_dict() if isinstance(value, Section) else value for name, value in plain.items()
        }

    def changes(self) -> dict[str, Any]:
        """What differs from the defaults, as plain data; objects that a spec cannot name are left out."""
        found: dict[str, Any] = {}
        for name, value in self.params().items():
            if isinstance(value, Section):
                found[name] = value.changes()
            elif name not in self.python_only and value != self.declaration.params[name].default:
                found[name] = _plain(value)
        return {name: value for name, value in found.items() if value not in ({}, [])}

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.params().items())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Section) and type(self) is type(other) and self.params() == other.params()

    __hash__ = None  # type: ignore[assignment] # values can be assigned


class SchedulerConfig(Section):
    """How the learning rate changes: `reduce_on_plateau`, `cosine`, `step`, `exponential`, `one_cycle` or `none`.

    A parameter that the chosen scheduler does not read is refused.
    """

    name: str = Param("reduce_on_plateau", "kind of scheduler", choices=tuple(SCHEDULERS))
    monitor: str = Param(MONITORED, "reduce_on_plateau: the logged value that has to improve")
    mode: str = Param(
        "min", "reduce_on_plateau: whether the value should fall or rise", choices=("min", "max")
    )
    factor: float = Param(0.1, "reduce_on_plateau: the rate is multiplied by this", gt=0, lt=1)
    patience: int = Param(10, "reduce_on_plateau: epochs without improvement before that", ge=0)
    min_lr: float = Param(0.0, "reduce_on_plateau, cosine: smallest rate", ge=0)
    t_max: int | None = Param(None, "cosine: epochs until the smallest rate; null: all", ge=1)
    step_size: int = Param(10, "step: epochs between two reductions", ge=1)
    gamma: float = Param(0.1, "step, exponential: the rate is multiplied by this", gt=0, le=1)
    max_lr: float | None = Param(None, "one_cycle: largest rate; null: ten times the optimizer's", gt=0)
    pct_start: float = Param(0.3, "one_cycle: share of the steps in which the rate rises", gt=0, lt=1)

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        values = super().check_params(given)
        read = SCHEDULERS[values["name"]]
        for name in given:
            if name not in ("name", *read):
                has = f"it has: {', '.join(read)}" if read else "it has no parameters"
                raise ParameterError(f"{cls.__name__}: `{values['name']}` does not read `{name}`; {has}")
        return values

    @classmethod
    def of(cls, value: Any) -> Self:
        return super().of({"name": value} if isinstance(value, str) else value)


class OptimizerConfig(Section):
    """The optimizer of phase 2 and its learning rate."""

    parts = {"scheduler": SchedulerConfig}
    name: str = Param("adam", "kind of optimizer", choices=("adam", "adamw", "sgd"))
    lr: float = Param(0.001, "learning rate", gt=0)
    weight_decay: float = Param(0.0, "L2 penalty (adam, sgd) or decoupled decay (adamw)", ge=0)
    betas: tuple[float, float] = Param(
        (0.9, 0.999), "adam, adamw: decay of the running means, each in [0, 1)"
    )
    momentum: float = Param(0.0, "sgd: momentum", ge=0, lt=1)
    scheduler: SchedulerConfig = Param(doc="changes of the learning rate, a name or a mapping")

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        values = super().check_params(given)
        values["betas"] = tuple(float(beta) for beta in values["betas"])
        if not all(0 <= beta < 1 for beta in values["betas"]):
            raise ParameterError(
                f"{cls.__name__}: `betas` are two numbers in [0, 1), got {list(values['betas'])}"
            )
        return values


class TrainerConfig(Section):
    """Options of Lightning's Trainer, by Lightning's own names.

    `fast_dev_run` shortens phase 1 as well; `limit_train_batches` and `overfit_batches` concern phase 2 alone, so that
    statistics always come from all training data.
    """

    conditions = (_HALF,)
    max_epochs: int | None = Param(
        None,
        f"epochs of phase 2; 0: phase 1 and one validation; -1: until a callback stops; null: {DEFAULT_EPOCHS} "
        "where a loss reaches a trainable node, else 0",
        ge=-1,
    )
    min_epochs: int | None = Param(None, "epochs before anything may stop the training", ge=0)
    max_steps: int = Param(-1, "optimizer steps at most; -1: no limit", ge=-1)
    min_steps: int | None = Param(None, "optimizer steps before anything may stop the training", ge=0)
    max_time: str | None = Param(None, "time at most, as DD:HH:MM:SS", form=DURATION)
    accelerator: str = Param("auto", "where to compute", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    devices: int | str | list[int] = Param(1, "number of devices, their indices, or auto", form=_DEVICES)
    num_nodes: int = Param(1, "machines", ge=1)
    strategy: str = Param("auto", "Lightning's strategy for several devices", choices=STRATEGIES)
    precision: str = Param(
        "32",
        "arithmetic of phase 2 where losses and nodes are plain torch; what nodes spell in ops, as those of cuvisc do, "
        "is float32 always, and statistics are float64",
        choices=PRECISIONS,
    )
    log_every_n_steps: int = Param(
        10,
        "optimizer steps between two logged training losses, each a mean over the images of its epoch so far; never "
        "more than an epoch",
        ge=1,
    )
    gradient_clip_val: float | None = Param(
        None, "largest norm (or value) of the gradient; null: no limit", ge=0
    )
    gradient_clip_algorithm: str | None = Param(
        None, "what gradient_clip_val limits; null: norm", choices=(None, "norm", "value")
    )
    accumulate_grad_batches: int = Param(1, "batches for every optimizer step", ge=1)
    limit_train_batches: int | float | None = Param(
        None, "training batches an epoch: a number or a share", ge=0, share=True
    )
    limit_val_batches: int | float | None = Param(
        None, "validation batches: a number or a share", ge=0, share=True
    )
    limit_test_batches: int | float | None = Param(
        None, "Trainer.test: batches, a number or a share", ge=0, share=True
    )
    overfit_batches: int | float = Param(0.0, "train and validate on these few batches", ge=0, share=True)
    fast_dev_run: bool | int = Param(
        False, "a trial with one batch (or this many) of everything, nothing kept", ge=0
    )
    val_check_interval: int | float | None = Param(
        None, "batches (or share of an epoch) between validations", gt=0, share=True
    )
    check_val_every_n_epoch: int | None = Param(1, "epochs between two validations", ge=1)
    num_sanity_val_steps: int = Param(0, "validation batches tried before training", ge=-1)
    deterministic: bool | Literal["warn"] = Param(
        False, "true: refuse algorithms that differ from run to run; warn: say so"
    )
    benchmark: bool | None = Param(None, "let cuDNN choose its fastest algorithms")
    inference_mode: bool = Param(True, "validate under torch.inference_mode")
    use_distributed_sampler: bool = Param(True, "share the samples between several devices")
    sync_batchnorm: bool = Param(False, "synchronise batch norms between several devices")
    reload_dataloaders_every_n_epochs: int = Param(0, "make the loaders anew this often; 0: never", ge=0)
    profiler: str | None = Param(None, "report where the time goes", choices=(None, "simple", "advanced"))
    detect_anomaly: bool = Param(False, "find the operation that made a gradient NaN; slow")
    enable_checkpointing: bool = Param(True, "keep the last and the best checkpoint")
    enable_progress_bar: bool | None = Param(None, "progress bars; null: on a terminal")
    enable_model_summary: bool = Param(False, "print the modules and their sizes")
    callbacks: list[Any] = Param(
        [], "callbacks by name, such as {type: EarlyStopping, patience: 10}; in Python also objects"
    )

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(given.get("callbacks"), Sequence):
            given = {**given, "callbacks": list(given["callbacks"])}
        if type(given.get("precision")) is int:
            given = {**given, "precision": str(given["precision"])}
        values = super().check_params(given)
        values["callbacks"] = list(values["callbacks"])
        return values


class TrainingConfig(Section):
    """Everything about training that is not the graph: seed, trainer, optimizer.

    `keep` says which weights the run ends with and `export` takes. In Python `monitor_plugins` adds monitors to those
    registered with the graph; a spec names them under `monitoring`.
    """

    parts = {"trainer": TrainerConfig, "optimizer": OptimizerConfig}
    python_only = ("monitor_plugins",)
    seed: int = Param(42, "seed of every random number", ge=0, lt=2**32)
    keep: str = Param(
        "last",
        f"weights kept: of the last epoch, or of the one with the best {MONITORED}",
        choices=("last", "best"),
    )
    cache: str = Param(
        "auto",
        "keep what frozen nodes make of every image; memory: all of it; auto: in a quarter of free memory, on a CPU, "
        "where they do more than a gain a band. Results are the same, up to rounding where losses follow from mean and "
        "covariance: a few pixels that have those of an image are kept then. Adam makes steps of rounding where "
        "training starts at an optimum",
        choices=("auto", "off", "memory"),
    )
    fit_fraction: float = Param(
        1.0, "share of the training samples that phase 1 reads, evenly spread over them in order", gt=0, le=1
    )
    fit_stride: int = Param(1, "phase 1 measures every so-many-th row and column of an image", ge=1)
    compile: bool = Param(
        False, "compute phase 2 with torch.compile: slow to begin, needs a C++ compiler (on a GPU: Triton)"
    )
    trainer: TrainerConfig = Param(doc="options of Lightning's Trainer")
    optimizer: OptimizerConfig = Param(doc="optimizer and learning rate")
    monitor_plugins: list[Any] = Param([], "further monitors, as objects")

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        values = super().check_params(given)
        values["monitor_plugins"] = list(values["monitor_plugins"])
        return values


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        items = ({"type": type(v).__name__, **v.params()} if isinstance(v, Declared) else v for v in value)
        return [item for item in items if isinstance(item, (str, int, float, Mapping))]
    return value


def refuse_half_on_cpu(precision: str) -> None:
    """Raise :class:`ParameterError` for float16 arithmetic on a CPU."""
    if not _HALF.holds({"accelerator": "cpu", "precision": precision}):
        raise ParameterError(
            f"TrainerConfig: `precision` {_HALF.why}; on a CPU use {' or '.join(_HALF.choices)}"
        )


def training_schema() -> dict[str, Any]:
    """JSON Schema of the `training` section."""
    schema = _section_schema(TrainingConfig)
    optimizer = schema["properties"]["optimizer"]["properties"]
    names = {"enum": list(SCHEDULERS), "description": "kind of scheduler, with its defaults"}
    optimizer["scheduler"] = {
        "description": optimizer["scheduler"]["description"],
        "anyOf": [names, *_scheduler_schemas(optimizer["scheduler"]), {"type": "null"}],
    }
    optimizer["betas"]["items"] |= {"minimum": 0, "exclusiveMaximum": 1}
    trainer = schema["properties"]["trainer"]["properties"]
    trainer["callbacks"]["items"] = _callback_schema()
    (half,) = schema["properties"]["trainer"]["allOf"]
    for precision in (trainer["precision"], half["then"]["properties"]["precision"]):
        precision["enum"].append(32)
    return schema


def _scheduler_schemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """One schema a scheduler, with the parameters that it reads; the first is the one meant without a name."""
    found = []
    for name, read in SCHEDULERS.items():
        named = {"const": name, "description": schema["properties"]["name"]["description"]}
        properties = {"name": named, **{key: schema["properties"][key] for key in read}}
        required = [] if name == next(iter(SCHEDULERS)) else ["name"]
        found.append({**schema, "title": name, "properties": properties, "required": required})
    return found


def _callback_schema() -> dict[str, Any]:
    """An entry of `callbacks`: its `type` picks the definition that holds for the rest."""
    from cuvisc.runtime.callbacks.named import NAMED

    return {
        "type": "object",
        "properties": {"type": {"enum": sorted(NAMED)}},
        "anyOf": [{"required": ["type"]}, {"required": ["_target_"]}],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/callback.{name}"},
            }
            for name in sorted(NAMED)
        ],
    }


def _section_schema(section: type[Section], doc: str = "") -> dict[str, Any]:
    from cuvisc.language.describe import describe_parameter

    properties = {}
    for name, parameter in section.declaration.params.items():
        if name in section.parts:
            properties[name] = _section_schema(section.parts[name], parameter.doc)
        elif name not in section.python_only:
            properties[name] = describe_parameter(parameter)
    doc = doc or " ".join((section.__doc__ or "").split("\n\n")[0].split())
    defaults = section.declaration.defaults()
    conditions = [condition.to_json(defaults) for condition in section.conditions]
    together = {"allOf": conditions} if conditions else {}
    closed = {"additionalProperties": False, "properties": properties, **together}
    return {"type": "object", "description": doc, **closed}
