"""Typed graph to torch: :class:`CompiledGraph`, one submodule a node, evaluated in topological order.

This is what trains. Export starts from it through :mod:`cuvisc.compiler.tracing`. Never imports the run time.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from cuvisc.compiler.graph import INPUT, INPUT_NODE, TypedGraph, TypedNode, ValueRef
from cuvisc.compiler.sizes import size_of
from cuvisc.language import ops
from cuvisc.language.choose import read_choice
from cuvisc.language.declare import ParameterError
from cuvisc.language.node import FitError, Node
from cuvisc.language.spectrum import Spectrum, joined
from cuvisc.language.types import TensorType, parse_type
from cuvisc.schema.errors import SpecError
from cuvisc.schema.spec import thaw

T = TypeVar("T")


class ShapeError(ValueError):
    """A cube whose bands do not fit the graph."""


class CompiledGraph(nn.Module):
    """The graph as one torch module: a cube [B,H,W,C] in, every value of the graph out, named ``node.port``."""

    def __init__(self, graph: TypedGraph, nodes: Mapping[str, Node]) -> None:
        super().__init__()
        self.graph = graph
        self.nodes = nn.ModuleDict()
        # Not through ModuleDict's own setter: it refuses ids such as `keys` or `pop`, which are fine names for a node.
        self.nodes._modules.update({node.id: nodes[node.id] for node in graph.nodes})
        self.channels: int | None = None
        self.widths: dict[ValueRef, int] = {}
        said = graph.spec.graph.wavelengths
        self.spectrum = None if said is None else Spectrum(said)
        channels = graph.input.type.dims[-1]
        if isinstance(channels, int) and not self.reads_spectrum:
            self.bind(channels)

    def node(self, name: str) -> Node:
        """The node of this id."""
        node = self.nodes[name]
        assert isinstance(node, Node)
        return node

    @property
    def fitted(self) -> bool:
        """Whether every node that phase 1 fills has been filled."""
        return all(
            not self.node(n.id).requires_initial_fit or self.node(n.id).fitted for n in self.graph.nodes
        )

    @property
    def reads_spectrum(self) -> bool:
        """Whether some node asks what the bands are: `spectrum` is to be set before the first cube."""
        return any(self.node(node.id).reads_spectrum for node in self.graph.nodes)

    def bind(self, channels: int) -> None:
        """Fix the number of bands of the cube, and with it every symbol of every node's types.

        What is known of these bands is `spectrum`; nodes that were fitted before need it no more. Raises
        :class:`ShapeError`.
        """
        if self.channels == channels:
            return
        if self.channels is not None:
            raise ShapeError(f"the cube has {channels} bands, but the graph was built for {self.channels}")
        self.widths = {INPUT: channels}
        spectra: dict[ValueRef, Spectrum | None] = {INPUT: self.spectrum}
        for node in self.graph.nodes:
            instance = self.node(node.id)
            instance.spectrum = joined(spectra.get(ref) for ref in next(iter(node.inputs.values()), ()))
            try:
                instance.bind(_bind_symbols(node, self.widths))
                spectra[node.output] = instance.output_spectrum()
            except FitError as error:
                raise ShapeError(f"`nodes.{node.id}` ({node.type}): {error}") from error
            for port in node.outputs:
                bands = declared_type(node, "outputs", port).substitute(dict(instance.dims)).dims[-1]
                if not isinstance(bands, int):
                    raise ShapeError(f"`{node.id}.{port}` has {bands} bands, which nothing says how many are")
                self.widths[ValueRef(node.id, port)] = bands
        self.channels = channels

    def forward(self, cube: Tensor) -> dict[str, Tensor]:
        """Every value of the graph, by name."""
        return {str(ref): value for ref, value in self.evaluate(cube).items()}

    def evaluate(self, cube: Tensor, wanted: Collection[ValueRef] | None = None) -> dict[ValueRef, Tensor]:
        """Values by reference; ``wanted`` limits the work to what those depend on."""
        if cube.ndim != 4:
            raise ShapeError(f"a batch of cubes is [B,H,W,C], got {list(cube.shape)}")
        self.bind(cube.shape[-1])
        values = {INPUT: cube if cube.dtype == torch.float64 else cube.to(torch.float32)}
        needed = None if wanted is None else self._needed(wanted)
        for node in self.graph.nodes:
            if needed is None or node.id in needed:
                values |= self.step(node, values)
        return values

    def step(self, node: TypedNode, values: Mapping[ValueRef, Tensor]) -> dict[ValueRef, Tensor]:
        """The outputs of one node, given the values it reads."""
        inputs = {port: ops.concat([values[ref] for ref in refs]) for port, refs in node.inputs.items()}
        return name_outputs(node, self.nodes[node.id](**inputs))

    def _needed(self, wanted: Collection[ValueRef]) -> set[str]:
        needed = {ref.node for ref in wanted} - {INPUT_NODE}
        for node in reversed(self.graph.nodes):
            if node.id in needed:
                needed |= {ref.node for ref in node.reads()} - {INPUT_NODE}
        return needed

    def prepare_for_train(self) -> None:
        """Make parameters of what phase 2 moves; everything else is frozen."""
        for node in self.graph.nodes:
            self.node(node.id).prepare_for_train()


def build_module(graph: TypedGraph, instances: Mapping[str, Node] | None = None) -> CompiledGraph:
    """Make every node from the class the catalogue registers for its type, or take the given instance.

    Raises :class:`SpecError` for parameters that contradict each other.
    """
    nodes = dict(instances or {})
    for node in graph.nodes:
        if node.id not in nodes:
            given = {name: thaw(value) for name, value in node.params.items()}
            try:
                nodes[node.id] = load_class(node.entry["implementation"], Node)(**given)
            except ParameterError as error:
                raise SpecError(f"`nodes.{node.id}`: {error}") from error
    return CompiledGraph(graph, nodes)


def load_class(implementation: str, base: type[T]) -> type[T]:
    """The registered class that a catalogue entry names as ``module:Class``."""
    module, _, name = implementation.partition(":")
    cls = getattr(importlib.import_module(module), name)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise TypeError(f"{implementation} is not a {base.__name__}")
    return cls


def name_outputs(node: TypedNode, result: T | tuple[T, ...]) -> dict[ValueRef, T]:
    """What a node's body returned, by output port."""
    results = result if isinstance(result, tuple) else (result,)
    return {ValueRef(node.id, port): value for port, value in zip(node.outputs, results, strict=True)}


def declared_type(node: TypedNode, side: str, port: str) -> TensorType:
    """Type of a port (``side`` is ``inputs`` or ``outputs``) as its class declares it, for this node's parameters."""
    return parse_type(str(read_choice(node.entry[side][port]["type"], node.params)))


def _bind_symbols(node: TypedNode, widths: Mapping[ValueRef, int]) -> dict[str, int]:
    """The node's own symbols, from its parameters and from the number of bands of what it reads."""
    dims = {
        name: value
        for name, value in ((name, size_of(value)) for name, value in node.params.items())
        if value is not None
    }
    for port, refs in node.inputs.items():
        bands = declared_type(node, "inputs", port).dims[-1]
        if isinstance(bands, str) and bands not in node.params:
            dims[bands] = sum(widths[ref] for ref in refs)
    return dims
