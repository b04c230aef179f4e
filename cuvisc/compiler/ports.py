"""What an input port is given, held against what it wants: accepted, or reported with one thing to do about it.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cuvisc.compiler.declared import Use
from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.references import References, listed
from cuvisc.compiler.sizes import IMAGE_DIMS, Fit, Size, Sizes, Value, fit
from cuvisc.compiler.suggest import fitting_value, unit_help
from cuvisc.compiler.wiring import Link
from cuvisc.schema.document import Span

Notes = tuple[tuple[Span, str], ...]


@dataclass(frozen=True)
class Known:
    """What inference has found out so far; accepting a value adds to `sizes`."""

    references: References
    sizes: Sizes
    values: Mapping[ValueRef, Value]


class PortCheck:
    """Checks what one input port of a node is given."""

    def __init__(self, known: Known, use: Use, port: str, links: Mapping[str, Sequence[Link]]) -> None:
        self.known = known
        self.use = use
        self.port = port
        self.links = links[port]
        self._all_links = links
        self.wanted = use.value(use.inputs[port])

    def check(self) -> Value | None:
        """The value after concatenation, None when it does not fit, which is then reported."""
        if len(self.links) != 1:
            return self._check_several()
        link = self.links[0]
        given = self.known.sizes.resolve(self.known.values[link.value])
        found = fit(self.known.sizes, self.wanted, given)
        if not found.type:
            self._wrong_type(link, given, found)
            return None
        return self._accept(found, given, link)

    def _accept(self, found: Fit, given: Value, link: Link) -> Value | None:
        if not found.unit:
            assert given.unit is not None
            self._wrong_unit(link, given)
            return None
        self.known.sizes.accept(found.sizes)
        return given

    def _check_several(self) -> Value | None:
        """Parts that differ in nothing but their number of bands, which add up."""
        name = self.links[0].place.name
        *image, bands = self.wanted.sizes or (Size(0),)
        if [size.value for size in image] != list(IMAGE_DIMS) or not self.wanted.dtype.startswith("float"):
            self._report(
                "E205",
                f"`{name}` names {len(self.links)} values, but `{self.port}` wants {self._shown()}: "
                "only cubes of floats are joined along the bands",
                self.links[0],
                label="name one",
            )
            return None
        sizes = self.known.sizes.trial()
        parts = [self.known.sizes.resolve(self.known.values[link.value]) for link in self.links]
        for index, (link, part) in enumerate(zip(self.links, parts, strict=True)):
            wanted = Value(
                self.wanted.dtype, (*image, Size(f"{self.use.owner}:{self.port}.{index}")), self.wanted.unit
            )
            found = fit(sizes, wanted, part)
            if not found.type:
                self._report(
                    "E205",
                    f"`{name}` joins {self.wanted.dtype} cubes along the bands, got {part.type} from `{link.value}`",
                    link,
                    help=self._suggestion(wanted),
                )
                return None
            if not found.unit:
                self._wrong_unit(link, part)
                return None
        units = {
            part.unit: link for part, link in zip(parts, self.links, strict=True) if part.unit is not None
        }
        if len(units) > 1:
            pairs = " and ".join(f"{unit} from `{link.value}`" for unit, link in list(units.items())[:2])
            fact = f"`{name}` would join {pairs} in one cube"
            self._report("E205", fact, list(units.values())[1], label="name values of one unit")
            return None
        unit = next(iter(units)) if len(units) == 1 and all(part.unit for part in parts) else None
        given = Value(self.wanted.dtype, (*image, sizes.total([part.sizes[-1] for part in parts])), unit)
        found = fit(self.known.sizes, self.wanted, given)
        if not found.type:
            self._report(
                "E201",
                f"`{name}` wants {self._shown()}, got {given.type} from {listed([str(k.value) for k in self.links])}",
                self.links[0],
                notes=_origins((bands, *(part.sizes[-1] for part in parts))),
            )
            return None
        return self._accept(found, given, self.links[0])

    def _wrong_type(self, link: Link, given: Value, found: Fit) -> None:
        sizes = self.known.sizes
        wanted = sizes.resolve(self.wanted)
        differs = found.differs or ()
        own = [index for index in differs if ":" in str(self.wanted.sizes[index].value)]
        notes: Notes = ()
        for index in differs:
            symbol = str(self.wanted.sizes[index].value).rpartition(":")[2]
            if index in own:
                notes += self._first_said(symbol, wanted.sizes[index])
            notes += _origins((wanted.sizes[index], sizes.find(given.sizes[index])))
        self._report(
            "E203" if own and len(own) == len(differs) else "E201",
            f"{self._name(link)} wants {self._shown()}, got {given.type} from `{link.value}`{_unsaid(link)}",
            link,
            help=self._suggestion(self.wanted) or self._other_parameter(differs, given),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _other_parameter(self, differs: tuple[int, ...], given: Value) -> str:
        """Which parameter of the node would make the port as large as what it is given; "" when none would."""
        for index in differs:
            name = self.use.declared_dim(self.port, index)
            size = self.known.sizes.find(given.sizes[index]).value
            if name in self.use.params and isinstance(size, int) and len(differs) == 1:
                return f"set `{name}: {size}`"
        return ""

    def _first_said(self, symbol: str, size: Size) -> Notes:
        """Which earlier input of the node gave a symbol its size."""
        for port, links in self._all_links.items():
            if port != self.port and symbol in _symbols(self.use, port):
                return ((links[0].span, f"`{port}` makes {symbol} {size.value}"),)
        return ()

    def _wrong_unit(self, link: Link, given: Value) -> None:
        assert given.unit is not None
        assert self.wanted.unit is not None
        self._report(
            "E202",
            f"{self._name(link)} wants {' or '.join(self.wanted.unit.split('|'))}, "
            f"got {given.unit} from `{link.value}`{_unsaid(link)}",
            link,
            help=unit_help(self.use, self.port, given.unit, self.known.references.catalogue)
            or self._suggestion(self.wanted),
        )

    def _suggestion(self, wanted: Value) -> str:
        first = {
            node: next(iter(entry["outputs"]), "") for node, entry in self.known.references.entries.items()
        }
        taken = {link.value for link in self.links}
        others = {
            reference: value
            for reference, value in self.known.values.items()
            if reference not in taken and (value.unit is None or wanted.unit is not None)
        }
        return fitting_value(others, self.known.sizes, wanted, first)

    def _name(self, link: Link) -> str:
        return f"`{link.place.name}`" if not link.implicit else f"`{self.port}` of `{link.place.name}`"

    def _shown(self) -> str:
        return str(self.use.shown(self.known.sizes.resolve(self.wanted)))

    def _report(
        self, code: str, message: str, link: Link, label: str = "", help: str = "", notes: Notes = ()
    ) -> None:
        self.known.references.diagnostics.error(code, message, link.span, label=label, help=help, notes=notes)


def _unsaid(link: Link) -> str:
    return ", which stands before it" if link.implicit and link.value != INPUT else ""


def _symbols(use: Use, port: str) -> set[str]:
    return {str(size.value).rpartition(":")[2] for size in use.value(use.inputs[port]).sizes}


def _origins(sizes: Sequence[Size]) -> Notes:
    """Who said a size, for each of those sizes somebody said."""
    return tuple(
        (size.origin.span, f"the {size.value} comes from {size.origin.name}")
        for size in sizes
        if size.origin is not None and size.origin.span is not None
    )
