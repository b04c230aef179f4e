"""cuvisc: a compiler for hyperspectral machine learning. Public names load on first use, nothing before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cuvisc.runtime.config import OptimizerConfig, TrainerConfig, TrainingConfig
    from cuvisc.runtime.graph import Graph

__version__ = "0.1.0"

__all__ = ["Graph", "OptimizerConfig", "TrainerConfig", "TrainingConfig", "__version__"]

_HOMES = {
    "Graph": "cuvisc.runtime.graph",
    "OptimizerConfig": "cuvisc.runtime.config",
    "TrainerConfig": "cuvisc.runtime.config",
    "TrainingConfig": "cuvisc.runtime.config",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cuvisc' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
