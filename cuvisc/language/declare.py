"""What a declaration is written in: parameters, ports and fitted state as class attributes.

A subclass of :class:`Declared` lists annotated :func:`Param` attributes and gets a keyword-only, checked ``__init__``.
Pure Python, so that the catalogue, monitors and data modules use the same words as nodes. Imports no torch.
"""

from __future__ import annotations

import copy
import inspect
import math
import operator
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args, get_origin

from .choose import Choose
from .forms import Condition, Form
from .types import parse_type

REQUIRED: Any = object()
_MOST_CHOICES = 12
Unit = str | None


class ParameterError(ValueError):
    """A parameter that is unknown, missing, of the wrong type or out of bounds."""


class DeclarationError(TypeError):
    """A class whose declaration contradicts itself; raised when the class is made."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: default, documentation and bounds."""

    default: Any
    doc: str
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    choices: tuple[Any, ...] = ()
    form: Form | None = None
    share: bool = False
    least_items: int = 0
    annotation: Any = None
    name: str = ""

    @property
    def required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is REQUIRED

    def check(self, owner: str, value: Any) -> Any:
        """Return the value as the declared type; raise :class:`ParameterError` naming parameter and bound."""
        value = _coerce(value, self.annotation)
        if not _matches(value, self.annotation):
            wanted = describe_annotation(self.annotation)
            raise ParameterError(f"{owner}: `{self.name}` wants {wanted}, got {value!r}")
        if self.choices and value not in self.choices:
            shown = ", ".join(map(str, self.choices[:_MOST_CHOICES]))
            rest = len(self.choices) - _MOST_CHOICES
            more = f" and {rest} more" if rest > 0 else ""
            raise ParameterError(f"{owner}: `{self.name}` is one of {shown}{more}, got {value!r}")
        if self.form is not None and isinstance(value, str) and not self.form.fits(value):
            raise ParameterError(f"{owner}: `{self.name}` wants {self.form.words}, got {value!r}")
        if self.share and isinstance(value, float) and value > 1:
            raise ParameterError(
                f"{owner}: `{self.name}` wants a whole number, or a share of at most 1, got {value:.10g}"
            )
        if isinstance(value, (list, tuple)) and len(value) < self.least_items:
            raise ParameterError(
                f"{owner}: `{self.name}` wants at least {self.least_items} of them, got {len(value)}"
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_bounds(owner, value)
        return value

    def _check_bounds(self, owner: str, value: float) -> None:
        if not math.isfinite(value):
            raise ParameterError(f"{owner}: `{self.name}` must be finite, got {value}")
        for bound, holds, sign in (
            (self.gt, operator.gt, ">"),
            (self.ge, operator.ge, ">="),
            (self.lt, operator.lt, "<"),
            (self.le, operator.le, "<="),
        ):
            if bound is not None and not holds(value, bound):
                raise ParameterError(f"{owner}: `{self.name}` must be {sign} {bound:.10g}, got {value:.10g}")


def Param(
    default: Any = REQUIRED,
    doc: str = "",
    *,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    choices: Sequence[Any] = (),
    form: Form | None = None,
    share: bool = False,
    least_items: int = 0,
) -> Any:
    """Declare a parameter: ``eps: float = Param(1e-6, "relative ridge", gt=0)``.

    ``form`` is of texts, ``least_items`` of lists; a number with a point is at most 1 where it is a ``share`` and a
    whole number a count.
    """
    return Parameter(default, doc, gt, ge, lt, le, tuple(choices), form, share, least_items)


@dataclass(frozen=True)
class Port:
    """A typed input or output; type text and unit may depend on a parameter."""

    type: str | Choose[str]
    doc: str = ""
    unit: Unit | Choose[Unit] = None

    def __post_init__(self) -> None:
        texts = (
            [self.type] if isinstance(self.type, str) else [*self.type.cases.values(), self.type.otherwise]
        )
        for text in texts:
            parse_type(text)


class In(Port):
    """An input port: ``In("float32[B,H,W,C]", "spectra", unit="scores|probabilities")``."""


class Out(Port):
    """An output port: ``Out("float32[B,H,W,1]", "squared Mahalanobis distance", unit="scores")``."""


@dataclass(frozen=True)
class StateTensor:
    """A tensor that fitting fills."""

    type: str
    doc: str = ""
    trainable: bool = False

    def __post_init__(self) -> None:
        parse_type(self.type)


def State(type: str, doc: str = "", *, trainable: bool = False) -> Any:
    """Declare fitted state; ``trainable`` state moves in phase 2 where the node is trainable."""
    return StateTensor(type, doc, trainable)


@dataclass
class Declaration:
    """Everything a class body declares, in the order it was written; collected along the bases."""

    params: dict[str, Parameter] = field(default_factory=dict)
    inputs: dict[str, In] = field(default_factory=dict)
    outputs: dict[str, Out] = field(default_factory=dict)
    state: dict[str, StateTensor] = field(default_factory=dict)

    def defaults(self) -> dict[str, Any]:
        """Defaults of the optional parameters."""
        return {name: p.default for name, p in self.params.items() if not p.required}


class Declared:
    """Base of everything a spec can name: nodes, leaves, monitors, data modules."""

    declaration: ClassVar[Declaration] = Declaration()
    kind: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    conditions: ClassVar[tuple[Condition, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = next(base for base in cls.__mro__[1:] if issubclass(base, Declared)).declaration
        made = Declaration(
            dict(inherited.params), dict(inherited.inputs), dict(inherited.outputs), dict(inherited.state)
        )
        annotations = _own_annotations(cls)
        for name, value in list(vars(cls).items()):
            if isinstance(value, Parameter):
                if name not in annotations:
                    raise DeclarationError(f"{cls.__name__}.{name}: a Param needs a type annotation")
                made.params[name] = _named(value, cls.__name__, name, annotations[name])
                delattr(cls, name)
            elif isinstance(value, In):
                made.inputs[name] = value
            elif isinstance(value, Out):
                made.outputs[name] = value
            elif isinstance(value, StateTensor):
                made.state[name] = value
                delattr(cls, name)
        cls.declaration = made

    def __init__(self, **params: Any) -> None:
        super().__init__()
        for name, value in self.check_params(params).items():
            setattr(self, name, value)

    @classmethod
    def check_params(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults filled in, types and bounds checked; raises :class:`ParameterError`."""
        declared = cls.declaration.params
        for name in given:
            if name not in declared:
                known = ", ".join(declared) or "none"
                raise ParameterError(f"{cls.__name__}: unknown parameter `{name}`; it has: {known}")
        values: dict[str, Any] = {}
        for name, parameter in declared.items():
            if name in given:
                values[name] = parameter.check(cls.__name__, given[name])
            elif parameter.required:
                raise ParameterError(f"{cls.__name__}: `{name}` is required ({parameter.doc})")
            else:
                values[name] = copy.deepcopy(parameter.default)
        for condition in cls.conditions:
            if not condition.holds(values):
                raise ParameterError(
                    f"{cls.__name__}: `{condition.other}` cannot be {values[condition.other]} where "
                    f"`{condition.parameter}` is {describe_value(condition.value)}: {condition.why}"
                )
        return values

    def params(self) -> dict[str, Any]:
        """The value of every declared parameter."""
        return {name: getattr(self, name) for name in self.declaration.params}


def _named(parameter: Parameter, owner: str, name: str, annotation: Any) -> Parameter:
    named = Parameter(**{**vars(parameter), "name": name, "annotation": annotation})
    if not named.required:
        named.check(owner, named.default)
    return named


def _own_annotations(cls: type) -> dict[str, Any]:
    own = inspect.get_annotations(cls)
    if not any(isinstance(note, str) for note in own.values()):
        return dict(own)
    hints = typing.get_type_hints(cls)
    return {name: hints[name] for name in own}


def _coerce(value: Any, annotation: Any) -> Any:
    """A number written without a point is a float where a float is wanted, and a sequence a tuple or list."""
    takes_float = annotation is float or (
        isinstance(annotation, types.UnionType) and float in get_args(annotation)
    )
    if takes_float and type(value) is int and not _matches(value, annotation):
        return float(value)
    if isinstance(annotation, types.UnionType) and not _matches(value, annotation):
        options = [(_coerce(value, option), option) for option in get_args(annotation)]
        return next((made for made, option in options if _matches(made, option)), value)
    origin = get_origin(annotation)
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        wanted = [item for item in get_args(annotation) if item is not Ellipsis]
        every = wanted if len(wanted) == len(value) else [wanted[0] if wanted else Any] * len(value)
        items = (_coerce(item, kind) for item, kind in zip(value, every, strict=True))
        return tuple(items) if origin is tuple else list(items) if isinstance(value, list) else value
    return value


def _matches(value: Any, annotation: Any) -> bool:
    if annotation is Any or annotation is None:
        return annotation is Any or value is None
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is typing.Union:
        return any(_matches(value, option) for option in get_args(annotation))
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return value in get_args(annotation)
    if origin in (list, tuple):
        items = [a for a in get_args(annotation) if a is not Ellipsis]
        if not isinstance(value, origin):
            return False
        if origin is tuple and Ellipsis not in get_args(annotation):
            return len(value) == len(items) and all(_matches(v, a) for v, a in zip(value, items, strict=True))
        return all(_matches(v, items[0]) for v in value) if items else True
    if origin is dict:
        return isinstance(value, dict)
    if annotation in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, annotation)


def describe_annotation(annotation: Any) -> str:
    """Words for a type, as an error message says them: ``a number``, ``true or false``, ``a list of text``."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is typing.Union:
        return " or ".join(describe_annotation(a) for a in get_args(annotation))
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if origin in (list, tuple):
        items = [a for a in get_args(annotation) if a is not Ellipsis]
        return "a list of " + _plural(describe_annotation(items[0])) if items else "a list"
    if origin is dict or annotation is dict:
        return "a mapping"
    return getattr(annotation, "__name__", str(annotation))


def describe_value(value: Any) -> str:
    """A plain value as YAML writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plural(words: str) -> str:
    return {"a whole number": "whole numbers", "a number": "numbers"}.get(words, words)
