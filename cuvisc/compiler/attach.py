"""Leaves to the nodes they look at: the `parent` that is written, else the one node on which the leaf can stand.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cuvisc.compiler.constraints import check_constraints
from cuvisc.compiler.declared import Use, entries_of
from cuvisc.compiler.graph import INPUT, INPUT_NODE, Facts, TypedLeaf, ValueRef
from cuvisc.compiler.infer import Inference
from cuvisc.compiler.references import Place, listed
from cuvisc.compiler.sizes import Value, accepts_unit, fit
from cuvisc.compiler.suggest import as_yaml, choices_that_accept
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.document import Path
from cuvisc.schema.spec import LeafSpec


def attach_leaves(inference: Inference) -> Iterator[TypedLeaf]:
    """The leaves that could be attached; every other one is reported, unless its node is wrong already."""
    spec = inference.references.spec
    for leaf in spec.leaves:
        if (leaf.section, leaf.id) in spec.doubtful:
            continue
        attached = _Attachment(inference, leaf).attach()
        if attached is not None:
            yield attached


@dataclass(frozen=True)
class _Verdict:
    """Why a leaf cannot stand on a value ("" when it can), and whether that is certain without the data."""

    objection: str
    certain: bool = True


class _Attachment:
    def __init__(self, inference: Inference, leaf: LeafSpec) -> None:
        self.inference = inference
        self.references = inference.references
        self.leaf = leaf
        self.path: Path = (leaf.section, leaf.id)
        self.name = f"`{leaf.section}.{leaf.id}`"

    def attach(self) -> TypedLeaf | None:
        document = self.references.spec.document
        if self.references.catalogue.entry(self.leaf.kind, self.leaf.type) is None:
            self.references.diagnostics.error(
                "E106",
                f"{self.name}: there is no {self.leaf.kind} `{self.leaf.type}`",
                document.value_span((*self.path, "type")),
                help=did_you_mean(self.leaf.type, self.references.catalogue.names(self.leaf.kind)),
            )
            return None
        use = Use(
            self.references.catalogue, self.leaf.kind, self.leaf.type, self.leaf.params, document, self.path
        )
        check_constraints([use], self.inference.sizes, self.references.diagnostics)
        parent = self._search(use) if self.leaf.parent is None else self._named(use)
        if parent is None:
            return None
        return TypedLeaf(
            id=self.leaf.id,
            section=self.leaf.section,
            kind=self.leaf.kind,
            type=self.leaf.type,
            entry=use.entry,
            params=use.params,
            parent=parent,
            span=document.key_span(self.path),
        )

    def _named(self, use: Use) -> ValueRef | None:
        assert self.leaf.parent is not None
        place = Place.at(*self.path, "parent")
        value = self.references.resolve(self.leaf.parent, place)
        if value is None or (value.node != INPUT_NODE and value not in self.inference.values):
            return None
        objection = self._judge(use, value).objection
        if not objection:
            return value
        fitting = self._fitting(use)
        other_unit = self._other_unit(use, value)
        self.references.diagnostics.error(
            "E307",
            f"{self.name} cannot stand on `{value}`: {objection}",
            self.references.spec.document.value_span(place.path),
            help=other_unit
            or (f"did you mean `{fitting[0].node}`?" if len(fitting) == 1 else self._would_fit(use, fitting)),
        )
        return None

    def _other_unit(self, use: Use, value: ValueRef) -> str:
        """Which parameter would let the leaf read a value of this unit; "" when it is not the unit that is wrong."""
        given = self.inference.values[value].unit if value.node != INPUT_NODE else None
        declared: Facts = next(iter(use.inputs.values()), {})
        wanted = use.choose(declared.get("unit"))
        if given is None or not isinstance(wanted, str) or accepts_unit(wanted, given):
            return ""
        found = next(choices_that_accept(declared.get("unit"), given), None)
        return f"set `{found[0]}: {as_yaml(found[1])}` to read {given}" if found is not None else ""

    def _search(self, use: Use) -> ValueRef | None:
        fitting = self._fitting(use)
        if len(fitting) == 1:
            return fitting[0]
        span = self.references.spec.document.key_span(self.path)
        if fitting:
            self.references.diagnostics.error(
                "E306",
                f"{self.name} could stand on {listed([value.node for value in fitting])}",
                span,
                help=f"say which, such as `parent: {fitting[-1].node}`",
            )
        elif not self._may_fit_a_broken_node(use):
            self.references.diagnostics.error(
                "E305",
                f"{self.name} finds no node to stand on: {use.name} {_wishes(use)}",
                span,
                help=self._would_fit(use, ()),
            )
        return None

    def _fitting(self, use: Use) -> list[ValueRef]:
        """The first outputs on which the leaf can stand: those that are certain, else those the data may allow."""
        judged = [(value, self._judge(use, value)) for value in self._first_outputs()]
        fitting = [(value, verdict.certain) for value, verdict in judged if not verdict.objection]
        certain = [value for value, is_certain in fitting if is_certain]
        return certain or [value for value, _ in fitting]

    def _first_outputs(self) -> Iterator[ValueRef]:
        for node in self.inference.uses:
            value = self.references.first_output(node)
            if value is not None:
                yield value

    def _judge(self, use: Use, value: ValueRef) -> _Verdict:
        if value.node == INPUT_NODE:
            return _Verdict("a leaf looks at a node, not at the cube that the graph reads")
        verdicts = [self._judge_one(one, value) for one in (use, *entries_of(use))]
        refused = next((verdict for verdict in verdicts if verdict.objection), None)
        return refused or _Verdict("", all(verdict.certain for verdict in verdicts))

    def _judge_one(self, use: Use, value: ValueRef) -> _Verdict:
        node = self.inference.uses[value.node]
        refused = _refuses_node(use, node)
        if refused:
            return _Verdict(refused)
        given = self.inference.sizes.resolve(self.inference.values[value])
        for declared in list(use.inputs.values())[:1]:
            wanted = use.value(declared)
            found = fit(self.inference.sizes, wanted, given)
            if not found.type:
                return _Verdict(f"{use.name} wants {use.shown(wanted)}, and it is {given.type}")
            if not found.unit:
                return _Verdict(f"{use.name} wants {_either(wanted.unit)}, and it is {given.unit}")
            as_input, sure = self._as_many_bands(use, given)
            if as_input:
                return _Verdict(as_input)
            return _Verdict(
                "", sure and not found.assumes and (wanted.unit is None or given.unit is not None)
            )
        return _Verdict("")

    def _as_many_bands(self, use: Use, given: Value) -> tuple[str, bool]:
        """Why an output is not to be compared with the graph's input, "" where it may be; and whether that is sure."""
        if not use.fact("rebuilds_input"):
            return "", True
        bands, own = self.inference.sizes.find(self.inference.values[INPUT].sizes[-1]), given.sizes[-1]
        if not isinstance(bands.value, int) or not isinstance(own.value, int) or bands.value == own.value:
            return "", bands.value == own.value
        return f"{use.name} compares it with the cube, of {bands.value} bands, and it is {given.type}", True

    def _may_fit_a_broken_node(self, use: Use) -> bool:
        """Whether a node with an error of its own could have been the one."""
        specs = [node for node in self.references.spec.nodes if node.id not in self.inference.uses]
        return any(
            node.id not in self.references.entries
            or not _refuses_node(use, Use(self.references.catalogue, "node", node.type, node.params))
            for node in specs
        )

    def _would_fit(self, use: Use, fitting: Sequence[ValueRef]) -> str:
        if fitting:
            return f"it can stand on {listed([value.node for value in fitting])}"
        catalogue = self.references.catalogue
        if all(_stands_anywhere(one) for one in (use, *entries_of(use))):
            return ""
        types = [
            name
            for name in catalogue.names("node")
            if all(_suits(one, Use(catalogue, "node", name, {})) for one in (use, *entries_of(use)))
        ]
        return f"it stands on nodes of type {listed(types)}" if types else ""


def _refuses_node(use: Use, node: Use) -> str:
    """Why a leaf does not look at this type of node, whatever its output; "" when it does."""
    types: Sequence[str] = use.entry.get("parent_types", ())
    if types and not {node.name, *node.entry.get("bases", ())}.intersection(types):
        return f"{use.name} looks at nodes of type {' or '.join(types)}, and this is of type {node.name}"
    held = {*node.entry.get("state", ()), *node.entry.get("holds", ())}
    missing = [name for name in use.entry.get("parent_attributes", ()) if name not in held]
    return (
        f"{use.name} needs {listed(missing)}, which nodes of type {node.name} do not have" if missing else ""
    )


def _stands_anywhere(use: Use) -> bool:
    """Whether a leaf asks for no type, state or unit: any node may suit it, if its output has the right size."""
    declared: Facts = next(iter(use.inputs.values()), {})
    asked = (
        use.entry.get("parent_types"),
        use.entry.get("parent_attributes"),
        use.choose(declared.get("unit")),
    )
    return not any(asked)


def _wishes(use: Use) -> str:
    types: Sequence[str] = use.entry.get("parent_types", ())
    attributes: Sequence[str] = use.entry.get("parent_attributes", ())
    if types:
        return f"looks at nodes of type {' or '.join(types)}"
    if attributes:
        return f"needs a node with {listed(attributes)}"
    wanted = use.value(next(iter(use.inputs.values())))
    unit = f" in {_either(wanted.unit)}" if wanted.unit else ""
    width = ", as many bands as the cube has" if use.fact("rebuilds_input") else ""
    return f"wants {use.shown(wanted)}{unit}{width}"


def _suits(use: Use, node: Use) -> bool:
    """Whether a type of the catalogue gives, as far as it says, what the leaf looks at."""
    if _refuses_node(use, node) or not node.outputs:
        return False
    for declared in list(use.inputs.values())[:1]:
        unit, given = (
            use.choose(declared.get("unit")),
            node.choose(next(iter(node.outputs.values())).get("unit")),
        )
        assert unit is None or isinstance(unit, str)
        assert given is None or isinstance(given, str)
        return accepts_unit(unit, given) and (given is not None or unit is None)
    return True


def _either(unit: str | None) -> str:
    return " or ".join((unit or "").split("|"))
