"""One use of a catalogue entry: its declared facts once the parameters of that use are known.

Every fact may depend on a parameter; here each is resolved. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from cuvisc.compiler.graph import Facts
from cuvisc.compiler.sizes import IMAGE_DIMS, Origin, Size, Value, size_of
from cuvisc.language.choose import read_choice
from cuvisc.language.types import TensorType, parse_type
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.document import Document, Path, Span

_parse = cache(parse_type)


class Use:
    """A node or leaf as a spec uses it; `path` leads to its entry, None for a type that no spec mentions."""

    def __init__(
        self,
        catalogue: Catalogue,
        kind: str,
        name: str,
        given: Facts,
        document: Document | None = None,
        path: Path | None = None,
    ) -> None:
        definition = catalogue.definition(kind, name)
        assert definition is not None, f"{kind} {name} is not in the catalogue"
        self.catalogue = catalogue
        self.entry: Facts = definition["x-cuvisc"]
        self.name = name
        self.given = given
        self.params = dict(_defaults(definition)) | dict(given)
        self._document = document
        self._path = path
        self.owner = ".".join(str(key) for key in path or (name,))

    @property
    def inputs(self) -> Mapping[str, Facts]:
        """Input ports as the catalogue describes them."""
        ports: Mapping[str, Facts] = self.entry["inputs"]
        return ports

    @property
    def outputs(self) -> Mapping[str, Facts]:
        """Output ports as the catalogue describes them; a leaf has none."""
        ports: Mapping[str, Facts] = self.entry.get("outputs", {})
        return ports

    def fact(self, name: str) -> object:
        """A fact of the entry, resolved; None when it is not declared."""
        return self.choose(self.entry.get(name))

    def choose(self, fact: object) -> object:
        """A plain fact, or the case that the parameters select; None where that needs a parameter not given."""
        if isinstance(fact, dict) and "choose" in fact and fact["choose"] not in self.params:
            return None
        chosen: object = read_choice(fact, self.params)
        return chosen

    def value(self, port: Facts) -> Value:
        """The type and unit of a port, its symbols marked as this use's own."""
        text, unit = self.choose(port["type"]), self.choose(port.get("unit"))
        assert isinstance(text, str)
        assert unit is None or isinstance(unit, str)
        declared = _parse(text)
        return Value(declared.dtype, tuple(self._size(dim) for dim in declared.dims), unit)

    def declared_dim(self, port: str, index: int) -> str:
        """A dimension of an input as the type declares it: a symbol, a parameter's name or a number."""
        text = self.choose(self.inputs[port]["type"])
        assert isinstance(text, str)
        return str(_parse(text).dims[index])

    def symbols(self) -> Iterator[str]:
        """Every symbol and parameter that a port or a state of this use has as a size."""
        ports = [*self.inputs.values(), *self.outputs.values(), *self.entry.get("state", {}).values()]
        for port in ports:
            text = self.choose(port["type"])
            assert isinstance(text, str)
            yield from (dim for dim in _parse(text).dims if isinstance(dim, str) and dim not in IMAGE_DIMS)

    def size(self, symbol: str) -> Size:
        """The size that a symbol or a parameter's name stands for."""
        return self._size(symbol)

    def shown(self, value: Value) -> TensorType:
        """A value's type as messages show it: this use's unknown symbols as they are declared."""
        prefix = f"{self.owner}:"
        dims = tuple(dim.removeprefix(prefix) if isinstance(dim, str) else dim for dim in value.type.dims)
        return TensorType(value.dtype, dims)

    def _size(self, dim: int | str) -> Size:
        if isinstance(dim, int) or dim in IMAGE_DIMS:
            return Size(dim)
        value = size_of(self.params.get(dim))
        return Size(f"{self.owner}:{dim}") if value is None else Size(value, self._origin(dim))

    def _origin(self, parameter: str) -> Origin:
        said = "" if parameter in self.given else " by default"
        return Origin(f"`{self.owner}.{parameter}`{said}", self.param_span(parameter))

    def param_span(self, parameter: str) -> Span | None:
        """Where a parameter's value stands; where the entry begins when the user left it out."""
        if self._document is None or self._path is None:
            return None
        if parameter in self.given:
            return self._document.value_span((*self._path, parameter))
        return self._document.key_span(self._path)


def entries_of(use: Use) -> Iterator[Use]:
    """The uses that stand inside another, such as the losses that a loss sums."""
    for parameter, kind in use.entry.get("entries", {}).items():
        items = use.params.get(parameter)
        for item in items if isinstance(items, (list, tuple)) else ():
            name = use.catalogue.resolve_target(kind, item.get("type") or item.get("_target_"))
            assert name is not None, "the spec was checked"
            given = {key: value for key, value in item.items() if key not in ("type", "_target_")}
            yield Use(use.catalogue, kind, name, given)


def _defaults(definition: Facts) -> Iterator[tuple[str, object]]:
    properties: Mapping[str, Facts] = definition.get("properties", {})
    for name in definition["x-cuvisc"]["params"]:
        if "default" in properties.get(name, {}):
            yield name, properties[name]["default"]
