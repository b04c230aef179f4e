"""`Graph`: a graph built in Python. It makes the spec that YAML would be and compiles it with the objects given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from lightning.pytorch import Trainer

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.language.declare import Declared
from cuvisc.language.leaf import IncompatibleParent, LeafNode, MonitoringNode
from cuvisc.language.node import Node
from cuvisc.runtime.components import changed_params, make_component, make_config, make_monitors
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.environment import environment_of, remember, written
from cuvisc.runtime.given_cubes import as_cubes
from cuvisc.runtime.graph_file import SPEC, GraphFile, read_graph_file
from cuvisc.runtime.graph_state import load_state, pack_state, seen_in
from cuvisc.runtime.missing import blank
from cuvisc.runtime.own_types import catalogue_of, is_registered
from cuvisc.runtime.progress import spoken
from cuvisc.runtime.ranks import shared
from cuvisc.runtime.run_folder import load_seen
from cuvisc.runtime.seen import Seen
from cuvisc.runtime.training import Run, train
from cuvisc.schema.catalogue import SECTION_KINDS, Catalogue, load
from cuvisc.schema.diagnostics import Diagnostics, did_you_mean
from cuvisc.schema.errors import DataError, SpecError
from cuvisc.schema.front_end import load_data, load_spec
from cuvisc.schema.loader import load_tree
from cuvisc.schema.render import render_text
from cuvisc.schema.spec import ComponentSpec, Spec, spec_hash
from cuvisc.schema.spelling import spelled, spelled_name
from cuvisc.schema.writing import dump_yaml

Parent: TypeAlias = Node | str
D = TypeVar("D", bound=Declared)
_SECTIONS = {kind: section for section, kind in SECTION_KINDS.items()}


@dataclass(frozen=True)
class _Trained:
    """What a training leaves besides state: what it has seen of the data, the hash of its spec, its run if known."""

    seen: Seen
    spec_sha256: str
    run: Run | None = None


class Graph:
    """Nodes, leaves and monitors by name; a name left out is the class's in snake case, a loss's without `_loss`.

    The first node reads the cube, every other one its `parent` or, without one, the node added before it. Two of a
    name become `name` and `name_2`. After `train` the nodes that were added hold what was fitted and trained, and
    `run` says where the run folder is.
    """

    def __init__(
        self,
        name: str = "graph",
        *,
        channels: int | None = None,
        wavelengths: Sequence[float] | None = None,
        dtype: str | None = None,
        outputs: Sequence[Parent] | None = None,
    ) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.leaves: dict[str, LeafNode] = {}
        self.monitors: dict[str, MonitoringNode] = {}
        self.run: Run | None = None
        centers = None if wavelengths is None else list(wavelengths)
        self._facts: dict[str, Any] = {"channels": channels, "wavelengths": centers, "dtype": dtype}
        self._outputs = outputs
        self._edges: dict[str, dict[str, Any]] = {}
        self._module: CompiledGraph | None = None
        self._trained: _Trained | None = None
        self.training_config: TrainingConfig | None = None

    @classmethod
    def from_spec(cls, spec: Spec) -> Self:
        """The graph of a spec: nodes, leaves and monitors, made anew; `to_spec` gives it back without defaults.

        Data and training are no part of a graph: `cuvisc.runtime.components` makes them from the same spec.
        """
        named = spec.graph
        outputs = None if named.outputs is None else [str(output) for output in named.outputs]
        graph = cls(
            named.name,
            channels=named.channels,
            wavelengths=named.wavelengths,
            dtype=named.input_dtype,
            outputs=outputs,
        )
        for node in spec.nodes:
            edges: dict[str, Any] = {}
            if node.parents:
                parents = [str(parent) for parent in node.parents]
                edges["parent"] = parents[0] if len(parents) == 1 else parents
            if node.inputs is not None:
                edges["inputs"] = {port: str(ref) for port, ref in node.inputs.items()}
            entry = ComponentSpec(node.id, "node", node.type, node.params)
            graph.nodes[node.id] = make_component(spec, entry, Node, ("nodes", node.id))
            graph._edges[node.id] = edges
        for leaf in spec.leaves:
            if leaf.id in graph._edges:
                raise SpecError(f"a graph in Python needs one name for each thing, and `{leaf.id}` names two")
            entry = ComponentSpec(leaf.id, leaf.kind, leaf.type, leaf.params)
            graph.leaves[leaf.id] = make_component(spec, entry, LeafNode, (leaf.section, leaf.id))
            graph._edges[leaf.id] = {} if leaf.parent is None else {"parent": str(leaf.parent)}
        monitors = make_monitors(spec)
        graph.monitors.update(zip((entry.id for entry in spec.monitors), monitors, strict=True))
        text = spelled(spec.document)
        entries = {**text.get("nodes", {}), **{leaf.id: text[leaf.section][leaf.id] for leaf in spec.leaves}}
        edges = {name: {key: entries[name].get(key) for key in held} for name, held in graph._edges.items()}
        remember(graph, graph._frame(), {"graph": text.get("graph", {}), "edges": edges})
        return graph

    @classmethod
    def from_file(cls, path: Path | str, overrides: Sequence[str] = ()) -> Self:
        """The graph of a spec file; raises :class:`SpecError` with everything that is wrong with it."""
        spec, diagnostics = load_spec(Path(path), overrides)
        if spec is None:
            raise _refused(diagnostics)
        return cls.from_spec(spec)

    @classmethod
    def load_from_file(cls, path: Path | str) -> Self:
        """The graph that `save_to_file` wrote: it computes what the saved one computed, bit for bit.

        Raises :class:`DataError` for a file that is damaged or not a graph's, and :class:`SpecError` for a spec that
        is none. Nothing in a file is executed.
        """
        file = read_graph_file(Path(path))
        diagnostics = Diagnostics()
        tree = load_tree(file.text(), f"{path}/{SPEC}", diagnostics)
        plain = tree.plain() if tree is not None else None
        if not isinstance(plain, dict) or "defaults" in plain:
            raise DataError(f"{path} is no file of a graph: {SPEC} is no whole spec")
        # As data: a spec in a file is never composed with other files.
        spec, diagnostics = load_data(plain, f"{path}/{SPEC}")
        if spec is None:
            raise _refused(diagnostics)
        graph = cls.from_spec(spec)
        graph.training_config = make_config(spec) if spec.training else None
        load_state(file, graph.module, graph.leaves)
        seen = seen_in(file)
        graph._trained = None if seen is None else _Trained(seen, file.spec_sha256)
        return graph

    def save_to_file(self, path: Path | str) -> None:
        """Write the graph into one file: nodes, leaves, monitors, training options, and all that was fitted.

        A file names registered types only: raises :class:`SpecError` for a class of one's own that no package
        registers. Callbacks and monitors that were given to a configuration as objects are left out.
        """
        known = load()
        own = [item for _, _, item in self._items() if not is_registered(known, item)]
        if own:
            raise SpecError(
                f"a file names registered types only, and {type(own[0]).__name__} is a class of this program; register "
                "it in a package, see `cuvisc schema --help`"
            )
        spec = self.to_spec(self.training_config)
        trained = self._trained
        parts = pack_state(self.module, self.leaves, spec_hash(spec), trained.seen if trained else None)
        sha256 = trained.spec_sha256 if trained else spec_hash(spec)
        text = dump_yaml(spec.to_dict()).encode()
        facts = trained.seen.facts if trained else None
        GraphFile(spelled_name(spec), sha256, {SPEC: text, **parts}, facts).write(Path(path))

    def export(self, folder: Path | str, *, force: bool = False) -> dict[str, Any]:
        """Write the artifact and the report that `cuvisc export` makes of the run; returns the parity evidence."""
        from cuvisc.runtime.exporting import export_run

        if self._trained is None:
            raise SpecError("the graph has not been trained: train it, then export it")
        run = self._trained.run
        source = self._trained.seen.source(self.module, self._trained.spec_sha256)
        place, facts = (None, None) if run is None else (run.folder, run.facts)
        return export_run(source, Path(folder), place, facts=facts, force=force)

    def add_node(
        self,
        node: Node,
        parent: Parent | Sequence[Parent] | None = None,
        name: str | None = None,
        *,
        inputs: Mapping[str, Parent] | None = None,
    ) -> Node:
        """Add a node; `parent` is a node, its name, `name.port`, or several; `inputs` connects ports by name."""
        if not isinstance(node, Node):
            raise SpecError(f"add_node takes a Node, got {node!r}; leaves go through add_leaf_node")
        edges: dict[str, Any] = {}
        if parent is not None:
            if isinstance(parent, (Node, str)):
                edges["parent"] = self._reference(parent)
            else:
                edges["parent"] = [self._reference(one) for one in parent]
        if inputs is not None:
            edges["inputs"] = {port: self._reference(p) for port, p in inputs.items()}
        self._edges[self._register(self.nodes, node, name)] = edges
        self._module = self._trained = None
        return node

    def add_leaf_node(
        self, leaf: LeafNode, parent: Parent | None = None, name: str | None = None
    ) -> LeafNode:
        """Add a loss, metric or visualization; without `parent` it takes the one node on which it can stand."""
        if not isinstance(leaf, LeafNode):
            raise SpecError(f"add_leaf_node takes a leaf, got {leaf!r}; nodes go through add_node")
        edges = {} if parent is None else {"parent": self._reference(parent)}
        if isinstance(parent, Node):
            try:
                leaf.validate_parent(parent)
            except IncompatibleParent as error:
                raise SpecError(str(error)) from error
        self._edges[self._register(self.leaves, leaf, name, taken=self.nodes)] = edges
        if self._trained is None:
            self._module = None
        return leaf

    def register_monitor(self, monitor: MonitoringNode, name: str | None = None) -> MonitoringNode:
        """Add a monitor."""
        if not isinstance(monitor, MonitoringNode):
            raise SpecError(f"register_monitor takes a monitor, got {monitor!r}")
        self._register(self.monitors, monitor, name)
        return monitor

    def to_spec(self, training_config: TrainingConfig | None = None) -> Spec:
        """The spec this graph is; raises :class:`SpecError` saying what is wrong with it."""
        made = [self, training_config, *(item for _, _, item in self._items())]
        environment = {**os.environ, **environment_of(*made)}
        spec, diagnostics = load_data(self._data(training_config), self.name, self._catalogue(), environment)
        if spec is None:
            raise _refused(diagnostics)
        return spec

    def compile(self, training_config: TrainingConfig | None = None) -> TypedGraph:
        """The typed graph; raises :class:`SpecError` saying what is wrong with it."""
        spec = self.to_spec(training_config)
        diagnostics = Diagnostics()
        graph = check_graph(spec, self._catalogue(), diagnostics)
        if graph is None:
            raise _refused(diagnostics)
        return graph

    def train(
        self,
        datamodule: Any,
        training_config: TrainingConfig | None = None,
        *,
        run_dir: Path | str | None = None,
        force: bool = False,
        resume: Path | str | None = None,
    ) -> Trainer:
        """Phase 1, then phase 2, in a run folder (default: runs/<name>/<time>-<hash>); returns Lightning's trainer.

        Without `training_config` the one of the last training or of the file counts, else the defaults. `resume` is
        the folder of an interrupted run of this graph, which then goes on after its last whole epoch. The trainer's
        `validate(datamodule=…)` and `test(datamodule=…)` measure the weights that the graph has.
        """
        config = training_config or self.training_config or TrainingConfig()
        with spoken():
            self.run = train(
                self.compile(config),
                datamodule,
                config,
                run_dir=None if run_dir is None else Path(run_dir),
                force=force,
                resume=None if resume is None else Path(resume),
                monitors=tuple(self.monitors.values()),
                nodes=self.nodes,
                leaves=self.leaves,
            )
        self._module = self.run.module
        self.training_config = config
        trial = self.run.facts.get("trial")
        folder, sha256 = self.run.folder, self.run.facts["spec_sha256"]
        self._trained = None if trial else _Trained(shared(lambda: load_seen(folder)), sha256, self.run)
        return self.run.trainer

    @property
    def module(self) -> CompiledGraph:
        """The graph as one torch module, made of the nodes that were added."""
        if self._module is None:
            self._module = build_module(self.compile(), self.nodes).eval()
        return self._module

    def __call__(self, cube: Any, labels: Any = None, metadata: Any = None) -> tuple[Any, Any, Any]:
        """(output, labels, metadata) of cubes [B,H,W,C]: a tensor, or a dict by `node.port` of several outputs.

        What is computed of a pixel with a band that is not finite is NaN, or false; other pixels are as without it.
        """
        values = self.module(blank(as_cubes(cube)))
        outputs = {str(ref): values[str(ref)] for ref in self.module.graph.outputs}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs, labels, metadata

    def __repr__(self) -> str:
        from cuvisc.runtime.notebook.graph_view import graph_text

        return graph_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from cuvisc.runtime.notebook.graph_view import graph_html

        return graph_html(self)

    def _data(self, config: TrainingConfig | None) -> dict[str, object]:
        """The spec as plain data, values from the environment as a spec spells them."""
        frame = written(self, self._frame())
        data: dict[str, Any] = {"version": 1, "graph": frame["graph"]}
        for kind, name, item in self._items():
            section = data.setdefault(_SECTIONS[kind], {})
            params = written(item, changed_params(item))
            section[name] = {"type": type(item).__name__, **frame["edges"].get(name, {}), **params}
        data.setdefault("nodes", {})
        changes = written(config, config.changes()) if config is not None else {}
        return {**data, **({"training": changes} if changes else {})}

    def _frame(self) -> dict[str, Any]:
        """What a spec says besides parameters: about the graph as a whole, and its edges."""
        cube = {key: value for key, value in self._facts.items() if value is not None}
        graph: dict[str, object] = {"name": self.name, **({"input": cube} if cube else {})}
        if self._outputs is not None:
            graph["outputs"] = [self._reference(output) for output in self._outputs]
        return {"graph": graph, "edges": self._edges}

    def _items(self) -> Iterable[tuple[str, str, Declared]]:
        for held in (self.nodes, self.leaves, self.monitors):
            yield from ((item.kind, name, item) for name, item in held.items())

    def _catalogue(self) -> Catalogue:
        return catalogue_of([item for _, _, item in self._items()])

    def _register(
        self, held: dict[str, D], item: D, name: str | None, taken: Mapping[str, object] | None = None
    ) -> str:
        if any(item is other for other in held.values()):
            raise SpecError(f"this {type(item).__name__} is in the graph already")
        used = {*held, *(taken or {})}
        if name is not None and name in used:
            raise SpecError(f"the graph has a `{name}` already")
        base = name or _snake_case(type(item).__name__)
        if name is None and item.kind == "loss":
            base = base.removesuffix("_loss") or base
        free = (
            base
            if base not in used
            else next(n for i in range(2, 10_000) if (n := f"{base}_{i}") not in used)
        )
        held[free] = item
        return free

    def _reference(self, parent: Parent) -> str:
        if isinstance(parent, str):
            node = parent.partition(".")[0]
            if node not in self.nodes and node != "input":
                hint = did_you_mean(node, list(self.nodes))
                raise SpecError(f"the graph has no node `{node}`" + (f"; {hint}" if hint else ""))
            return parent
        for name, held in self.nodes.items():
            if held is parent:
                return name
        raise SpecError(f"this {type(parent).__name__} is not in the graph; add it with add_node first")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _refused(diagnostics: Diagnostics) -> SpecError:
    return SpecError(render_text(diagnostics), diagnostics)
