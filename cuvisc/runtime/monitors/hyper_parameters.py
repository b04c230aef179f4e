"""What a run was made with, as trackers want it: the spec with every option of training, nested or flat.

What the spec takes from the environment stays `${oc.env:…}`, whatever the configuration made of it. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def hyper_parameters(run_info: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a run; its training section has the defaults filled in."""
    spec = dict(run_info.get("spec") or {})
    training = _over(run_info.get("training") or {}, spec.get("training") or {})
    return {**spec, "training": training} if training else spec


def flat(parameters: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Names like `nodes/pca/n_components` to single values; lists and null become text."""
    return dict(_leaves(parameters, ""))


def _over(defaults: Any, given: Any) -> Any:
    if not isinstance(defaults, Mapping) or not isinstance(given, Mapping):
        return given
    merged = {name: _over(defaults.get(name), value) for name, value in given.items()}
    return {**defaults, **merged}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, bool | int | float | str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}/{name}" if path else str(name))
    elif isinstance(value, (bool, int, float, str)):
        yield path, value
    else:
        yield path, json.dumps(value, default=str, ensure_ascii=False)
