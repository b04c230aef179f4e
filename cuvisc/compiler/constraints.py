"""Relations between parameters and sizes that a node declares, such as `n_components <= C`, held against the graph.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cuvisc.compiler.declared import Use
from cuvisc.compiler.sizes import Sizes
from cuvisc.compiler.suggest import as_yaml
from cuvisc.language.relations import RELATIONS, is_sum, names_in, sum_of
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Span

AS_MANY, DISJOINT = "as many as", "disjoint"
_OF_LISTS = (AS_MANY, DISJOINT)
_LIMITS: Mapping[str, str] = {
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "==": "just",
    "!=": "not",
}


def check_constraints(uses: Iterable[Use], sizes: Sizes, diagnostics: Diagnostics) -> None:
    """Report every declared relation that does not hold; one with a size that only the data knows is passed over."""
    for use in uses:
        _check_exclusions(use, diagnostics)
        for left, relation, right, *condition in use.entry.get("constraints", ()):
            if condition and use.params.get(condition[0]) != condition[1]:
                continue
            if relation in _OF_LISTS:
                _check_lists(use, left, relation, right, diagnostics)
            else:
                where = f" where {condition[0]} is {as_yaml(condition[1])}" if condition else ""
                _check_numbers(use, sizes, (left, relation, right), where, diagnostics)


def _check_numbers(
    use: Use, sizes: Sizes, constraint: tuple[Any, str, Any], where: str, diagnostics: Diagnostics
) -> None:
    left, relation, right = constraint
    a, b = (_amount(use, sizes, operand) for operand in (left, right))
    if a is None or b is None or all(RELATIONS[relation](number, b.numbers[0]) for number in a.numbers):
        return
    wrong = next(number for number in a.numbers if not RELATIONS[relation](number, b.numbers[0]))
    said = [f"{left} is {wrong}" if len(a.numbers) == 1 else f"{left} has {wrong}"]
    limit = f"{_LIMITS[relation]} {b.numbers[0]}"
    said += [f"{right} is {b.numbers[0]}"] if isinstance(right, str) else []
    diagnostics.error(
        "E204",
        f"`{use.owner}`: {use.name} needs {left} {relation} {right}{where}, but {' and '.join(said)}",
        use.param_span(_spot(use, left, right)),
        label=f"{limit} together" if is_sum(left) else limit if left in use.given else "",
        notes=a.notes + b.notes,
    )


def _spot(use: Use, left: object, right: object) -> str:
    """The parameter that a relation is about: the first of the left side, else of the right one, that is given."""
    names = [name for side in (left, right) for name in names_in(side) if name in use.params]
    return next((name for name in names if name in use.given), names[0])


def _check_exclusions(use: Use, diagnostics: Diagnostics) -> None:
    """A parameter that has no meaning beside a certain value of another."""
    for parameter, value, other in use.entry.get("excludes", ()):
        if use.params.get(parameter) == value and other in use.given and use.given[other] is not None:
            diagnostics.error(
                "E204",
                f"`{use.owner}`: {use.name} has no `{other}` where `{parameter}` is {value}",
                use.param_span(other),
                label="leave it out",
            )


def _check_lists(use: Use, left: str, relation: str, right: str, diagnostics: Diagnostics) -> None:
    a, b = use.params.get(left), use.params.get(right)
    if not isinstance(a, (list, tuple)) or not isinstance(b, (list, tuple)):
        return
    if relation == AS_MANY:
        wrong = f"`{left}` has {len(a)} and `{right}` has {len(b)}" if len(a) != len(b) else ""
    else:
        both = [str(item) for item in a if item in b]
        wrong = f"{', '.join(both)} is in both" if both else ""
    if wrong:
        wish = (
            f"as many `{left}` as `{right}`" if relation == AS_MANY else f"`{left}` and `{right}` to differ"
        )
        spot = left if relation == AS_MANY else right
        diagnostics.error(
            "E204",
            f"`{use.owner}`: {use.name} needs {wish}, but {wrong}",
            use.param_span(spot),
            label="change one",
        )


@dataclass(frozen=True)
class _Amount:
    numbers: tuple[float, ...]
    notes: tuple[tuple[Span, str], ...] = ()


def _amount(use: Use, sizes: Sizes, operand: object) -> _Amount | None:
    """A number, a parameter or a symbol as a number, a list as its numbers; None while it is unknown."""
    if isinstance(operand, str) and is_sum(operand):
        total = sum_of(operand, use.params)
        return None if total is None else _Amount((total,))
    if isinstance(operand, str) and operand not in use.params:
        size = sizes.find(use.size(operand))
        if not isinstance(size.value, int):
            return None
        if size.origin is None or size.origin.span is None:
            return _Amount((size.value,))
        return _Amount(
            (size.value,), ((size.origin.span, f"its {size.value} comes from {size.origin.name}"),)
        )
    value = use.params[operand] if isinstance(operand, str) else operand
    values = value if isinstance(value, (list, tuple)) else (value,)
    numbers = [one for one in values if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return _Amount(tuple(numbers)) if numbers and len(numbers) == len(values) else None
