"""A graph and its configuration made in Python, and overrides of the command line, to both as the overrides say."""

from __future__ import annotations

from collections.abc import Sequence

from cuvisc.runtime.components import make_config
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.graph import Graph
from cuvisc.schema.errors import SpecError
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text
from cuvisc.schema.writing import dump_yaml


def with_overrides(
    graph: Graph, config: TrainingConfig, overrides: Sequence[str]
) -> tuple[Graph, TrainingConfig]:
    """The graph, made anew, and its configuration, changed as a spec would be: `training.trainer.max_epochs=20`.

    Of the configuration only what a spec can say is kept: callbacks and monitors that are objects are left out. Raises
    :class:`SpecError` with everything that is wrong with the overrides.
    """
    if not overrides:
        return graph, config
    text = dump_yaml(graph.to_spec(config).to_dict())
    spec, diagnostics = load_text(text, graph.name, overrides)
    if spec is None:
        raise SpecError(render_text(diagnostics), diagnostics)
    return Graph.from_spec(spec), make_config(spec)
