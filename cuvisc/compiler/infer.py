"""Types and units of every value: wired nodes to typed nodes, by unifying what ports want with what they are given.

A node that does not fit has no type, and what reads it is passed over in silence. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator

from cuvisc.compiler.constraints import check_constraints
from cuvisc.compiler.declared import Use
from cuvisc.compiler.graph import INPUT, TypedNode, TypedPort, ValueRef
from cuvisc.compiler.ports import Known, PortCheck
from cuvisc.compiler.references import References
from cuvisc.compiler.sizes import IMAGE_DIMS, Origin, Size, Sizes, Value, size_of
from cuvisc.compiler.spectra import Spectra
from cuvisc.compiler.wiring import Wiring
from cuvisc.language.spectrum import Spectrum
from cuvisc.schema.spec import NodeSpec


class Inference:
    """What is known of every value of a graph; `run` finds it out."""

    def __init__(
        self,
        references: References,
        wiring: Wiring,
        channels: Size | None = None,
        spectrum: Spectrum | None = None,
    ) -> None:
        self.references = references
        self.wiring = wiring
        self.sizes = Sizes()
        self.values: dict[ValueRef, Value] = {INPUT: self._input(channels)}
        self.spectra = Spectra(references.spec, spectrum, self.sizes, references.diagnostics)
        self.known = Known(references, self.sizes, self.values)
        self.uses: dict[str, Use] = {}
        self._inputs: dict[str, dict[str, Value]] = {}

    def _input(self, channels: Size | None) -> Value:
        bands = self._said() or channels or self.sizes.fresh("C")
        if channels is not None and bands.value != channels.value:
            self._contradict(bands, channels)
            bands = self.sizes.fresh("C")
        return Value("float32", (*(Size(dim) for dim in IMAGE_DIMS), bands))

    def _said(self) -> Size | None:
        """The number of bands as the graph says it."""
        named, document = self.references.spec.graph, self.references.spec.document
        counts = {"channels": named.channels, "wavelengths": size_of(named.wavelengths)}
        said = [
            Size(count, Origin(f"`graph.input.{name}`", document.value_span(("graph", "input", name))))
            for name, count in counts.items()
            if count is not None
        ]
        if len({size.value for size in said}) > 1:
            self.references.diagnostics.error(
                "E502",
                f"`graph.input.channels` is {said[0].value}, but `graph.input.wavelengths` names {said[1].value}",
                document.value_span(("graph", "input", "wavelengths")),
                label="one centre for every band",
            )
        return said[0] if said else None

    def _contradict(self, said: Size, data: Size) -> None:
        assert said.origin is not None
        notes = (
            ((data.origin.span, f"the {data.value} comes from {data.origin.name}"),)
            if data.origin is not None and data.origin.span is not None
            else ()
        )
        self.references.diagnostics.error(
            "E502",
            f"{said.origin.name} {'is' if 'channels' in said.origin.name else 'names'} {said.value}, "
            f"but the data has {data.value} bands",
            said.origin.span,
            label=f"write {data.value}, or leave it out"
            if "channels" in said.origin.name
            else "one centre for every band, or leave it out",
            notes=notes,
        )

    def run(self) -> None:
        """Type every node that can be typed; report what cannot."""
        spec = self.references.spec
        for node in self.wiring.order:
            links = self.wiring.links[node.id]
            if any(link.value not in self.values for group in links.values() for link in group):
                continue
            use = Use(
                self.references.catalogue, "node", node.type, node.params, spec.document, ("nodes", node.id)
            )
            inputs = {port: PortCheck(self.known, use, port, links).check() for port in links}
            sound = {port: value for port, value in inputs.items() if value is not None}
            if len(sound) == len(inputs):
                self._give(node, use, sound)
        check_constraints(self.uses.values(), self.sizes, self.references.diagnostics)

    def _give(self, node: NodeSpec, use: Use, inputs: dict[str, Value]) -> None:
        self.uses[node.id] = use
        self._inputs[node.id] = inputs
        for port, value in list(inputs.items())[:1]:
            parents = (link.value for link in self.wiring.links[node.id][port])
            self.spectra.give(node.id, use, parents, value)
        for symbol in use.symbols():
            unknown = self.sizes.find(use.size(symbol))
            if isinstance(unknown.value, str) and ":" in unknown.value:
                self.sizes.unify(unknown, self.sizes.fresh(symbol))
        for port, declared in use.outputs.items():
            self.values[ValueRef(node.id, port)] = self.sizes.resolve(use.value(declared))

    def port(self, value: Value) -> TypedPort:
        """A value as it is known at the end."""
        return TypedPort(self.sizes.resolve(value).type, value.unit)

    def nodes(self) -> Iterator[TypedNode]:
        """The typed nodes in topological order."""
        document = self.references.spec.document
        for node in self.wiring.order:
            if node.id not in self.uses:
                continue
            use = self.uses[node.id]
            statistics, mapping = use.fact("statistics"), use.fact("mapping")
            assert statistics is None or isinstance(statistics, dict)
            assert mapping is None or isinstance(mapping, str)
            yield TypedNode(
                id=node.id,
                type=node.type,
                entry=use.entry,
                params=use.params,
                inputs={
                    port: tuple(link.value for link in group)
                    for port, group in self.wiring.links[node.id].items()
                },
                input_types={port: self.port(value) for port, value in self._inputs[node.id].items()},
                outputs={port: self.port(self.values[ValueRef(node.id, port)]) for port in use.outputs},
                dims={symbol: self.sizes.find(use.size(symbol)).value for symbol in use.symbols()},
                statistics=statistics,
                mapping=mapping,
                trainable=bool(use.fact("trainable")),
                span=document.key_span(("nodes", node.id)),
            )
