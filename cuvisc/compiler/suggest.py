"""One thing to do about a value that does not fit, derived from the graph so far and from the catalogue.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cuvisc.compiler.declared import Use
from cuvisc.compiler.graph import INPUT, Facts, ValueRef
from cuvisc.compiler.sizes import Sizes, Value, accepts_unit, fit
from cuvisc.schema.catalogue import Catalogue


def fitting_value(
    values: Mapping[ValueRef, Value], sizes: Sizes, wanted: Value, first: Mapping[str, str]
) -> str:
    """Ask whether the nearest earlier value was meant that fits for certain; "" when there is none.

    `first` maps nodes to their first output, which needs no port in a reference.
    """
    for reference, value in reversed(list(values.items())):
        found = fit(sizes, wanted, value)
        if found.ok and not found.assumes:
            name = short_name(reference, first)
            unit = f" {value.unit}" if value.unit else ""
            return f"did you mean `{name}`?  it gives {sizes.resolve(value).type}{unit}"
    return ""


def short_name(reference: ValueRef, first: Mapping[str, str]) -> str:
    """The reference a user would write: `rx` where the port is the node's first output."""
    return (
        reference.node
        if reference == INPUT or first.get(reference.node) == reference.port
        else str(reference)
    )


def unit_help(use: Use, port: str, given: str, catalogue: Catalogue) -> str:
    """How to bring a value of unit `given` to this port: a parameter, another type, or a node between; "" if none."""
    declared: Facts = use.inputs[port]
    for parameter, value in choices_that_accept(declared.get("unit"), given):
        return f"set `{parameter}: {as_yaml(value)}` to read {given}"
    wanted = use.value(declared)
    others = [Use(catalogue, "node", name, {}) for name in catalogue.names("node") if name != use.name]
    for other in others:
        if _reads(other, given) and _gives_alike(other, use):
            return f"use `{other.name}`, which reads {given}"
    for other in others:
        if _reads(other, given) and _turns_into(other, wanted):
            return f"put `{other.name}` between: it reads {given} and gives {wanted.unit}"
    return ""


def choices_that_accept(unit: object, given: str) -> Iterator[tuple[str, object]]:
    """Parameters and values for which a declared unit takes values of unit `given`."""
    if not (isinstance(unit, dict) and "choose" in unit):
        return
    for value, case in unit["cases"]:
        if case is not None and accepts_unit(case, given):
            yield unit["choose"], value
    if unit["otherwise"] is not None and accepts_unit(unit["otherwise"], given):
        values = [value for value, _ in unit["cases"]]
        if len(values) == 1 and isinstance(values[0], bool):
            yield unit["choose"], not values[0]


def _reads(other: Use, given: str) -> bool:
    """Whether a type reads just one value, and says that its unit may be `given`."""
    if len(other.inputs) != 1:
        return False
    unit = other.choose(next(iter(other.inputs.values())).get("unit"))
    return isinstance(unit, str) and accepts_unit(unit, given)


def _gives_alike(other: Use, use: Use) -> bool:
    def facts(which: Use) -> list[tuple[str, str, str | None]]:
        values = {port: which.value(declared) for port, declared in which.outputs.items()}
        return [(port, str(which.shown(value)), value.unit) for port, value in values.items()]

    return facts(other) == facts(use)


def _turns_into(other: Use, wanted: Value) -> bool:
    first = next(iter(other.outputs.values()), None)
    unit = other.choose(first.get("unit")) if first is not None else None
    return isinstance(unit, str) and wanted.unit is not None and accepts_unit(wanted.unit, unit)


def as_yaml(value: object) -> str:
    """A parameter's value as a spec writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
