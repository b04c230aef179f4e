"""What a spec names besides the graph to objects: training configuration, data module, monitors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from cuvisc.compiler.module import load_class
from cuvisc.language.declare import Declared, ParameterError
from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.environment import remember
from cuvisc.schema.catalogue import load
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Path
from cuvisc.schema.errors import SpecError
from cuvisc.schema.spec import ComponentSpec, Spec, thaw
from cuvisc.schema.spelling import spelled

T = TypeVar("T")
_SECTIONS: Mapping[str, Path] = {
    "TrainingConfig": ("training",),
    "TrainerConfig": ("training", "trainer"),
    "OptimizerConfig": ("training", "optimizer"),
    "SchedulerConfig": ("training", "optimizer", "scheduler"),
}


def make_config(spec: Spec) -> TrainingConfig:
    """The training section as a configuration; raises :class:`SpecError` pointing at what is wrong."""
    given = thaw(spec.training)
    assert isinstance(given, dict)
    try:
        config = TrainingConfig(**given)
    except ParameterError as error:
        raise refusal(spec, error) from error
    remember(config, config.changes(), spelled(spec.document).get("training") or {})
    return config


def refusal(spec: Spec, error: ParameterError, path: Path = ("training",)) -> SpecError:
    """The error of a refused parameter, at the place in the spec where it stands."""
    message = str(error)
    owner, _, fact = message.partition(": ")
    named = re.search(r"`([a-z_]+)`", fact)
    path = _SECTIONS.get(owner, path)
    if named is not None:
        path = (*path, named.group(1))
    diagnostics = Diagnostics(spec.document.sources)
    diagnostics.error("E104", message, spec.document.value_span(path))
    return SpecError(message, diagnostics if spec.document.sources else None)


def make_datamodule(spec: Spec) -> Any:
    """The data module; raises :class:`SpecError` where the spec names none."""
    if spec.datamodule is None:
        raise SpecError(
            "there is no data to train on: add a `datamodule`, such as `datamodule: {type: IndianPines}`"
        )
    return make_component(spec, spec.datamodule, object, ("datamodule",))


def make_monitors(spec: Spec) -> list[MonitoringNode]:
    """The monitors that are enabled."""
    return [make_component(spec, entry, MonitoringNode, ("monitoring", entry.id)) for entry in spec.monitors]


def make_component(spec: Spec, component: ComponentSpec, base: type[T], path: Path) -> T:
    """What one entry of a spec names; a parameter it refuses is answered at `path`."""
    entry = load().entry(component.kind, component.type)
    assert entry is not None, "the spec was checked"
    given = thaw(component.params)
    assert isinstance(given, dict)
    try:
        made = load_class(entry["implementation"], base)(**given)
    except ParameterError as error:
        raise refusal(spec, error, path) from error
    text = _at(spelled(spec.document), path)
    values = changed_params(made) if isinstance(made, Declared) else given
    remember(made, values, {name: text[name] for name in given if name in text})
    return made


def changed_params(item: Declared) -> dict[str, Any]:
    """The parameters that do not have their default value."""
    defaults = item.declaration.defaults()
    return {name: v for name, v in item.params().items() if name not in defaults or v != defaults[name]}


def _at(tree: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The mapping at a path, an empty one where there is none."""
    found: Any = tree
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
