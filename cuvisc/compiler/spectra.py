"""What is known of the bands of every value before data is read, and what the nodes that ask for it make of it.

A spectrum of None is one that the data may yet tell; one whose wavelengths are None is of data that says none. Pure
Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from cuvisc.compiler.declared import Use
from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.sizes import Origin, Size, Sizes, Value
from cuvisc.language.selection import (
    Selection,
    SelectionError,
    SelfContradiction,
    check_distinct,
    check_inside,
    check_seen,
    gaussian_widths,
    known_centers,
)
from cuvisc.language.spectrum import Spectrum, joined
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.spec import Spec


class Spectra:
    """The spectra of a graph's values; `data` is what the data says of its bands, None where that is not known."""

    def __init__(self, spec: Spec, data: Spectrum | None, sizes: Sizes, diagnostics: Diagnostics) -> None:
        said = spec.graph.wavelengths
        if said is not None:
            data = replace(data or Spectrum(), wavelengths=said)
        self._known: dict[ValueRef, Spectrum | None] = {INPUT: data}
        self._sizes, self._diagnostics = sizes, diagnostics

    def give(self, name: str, use: Use, parents: Iterable[ValueRef], given: Value) -> None:
        """Follow the bands of a node's first input through it; report what it looks for and cannot find."""
        spectrum = joined(self._known.get(ref) for ref in parents)
        bands = self._sizes.find(given.sizes[-1])
        if spectrum is not None and not _fits(spectrum, bands):
            spectrum = None
        port = next(iter(use.outputs), None)
        if port is None:
            return
        try:
            found = self._follow(use, spectrum, bands)
        except SelectionError as error:
            self._refuse(use, error, bands)
            found = None
        self._known[ValueRef(name, port)] = found

    def _follow(self, use: Use, spectrum: Spectrum | None, bands: Size) -> Spectrum | None:
        selects, recentres = use.entry.get("selects"), use.entry.get("recentres")
        if recentres is not None:
            centers: Any = use.params[recentres]
            check_distinct(centers, recentres)
            widths = use.fact("gaussian_widths")
            fwhm: Any = use.params[widths] if isinstance(widths, str) else None
            if isinstance(widths, str):
                gaussian_widths(centers, fwhm)
            if spectrum is not None and isinstance(bands.value, int):
                known = known_centers(spectrum, bands.value, recentres)
                check_inside(known, centers)
                # Which bands are bad is the judgement of all files together.
                if isinstance(widths, str) and (spectrum.good is None or all(spectrum.good)):
                    check_seen(known, centers, fwhm)
            return Spectrum(tuple(map(float, centers)))
        if selects is not None:
            return self._select(use, selects, spectrum, bands)
        read, written = (next(iter(ports)) for ports in (use.inputs, use.outputs))
        dims = use.declared_dim(read, -1), str(use.value(use.outputs[written]).sizes[-1].value)
        return spectrum if dims[1] == f"{use.owner}:{dims[0]}" else None

    def _select(self, use: Use, symbol: str, spectrum: Spectrum | None, bands: Size) -> Spectrum | None:
        named: dict[str, Any] = {one.name: use.params[one.name] for one in fields(Selection)}
        selection = Selection(**named)
        selection.check_distinct()
        if not isinstance(bands.value, int) or (spectrum is None and selection.needs_wavelengths):
            return None
        # Which bands are bad is the judgement of all files together.
        kept = replace(selection, bad="keep").of(bands.value, spectrum)
        if selection.bad != "keep":
            return None
        self._sizes.unify(use.size(symbol), Size(len(kept), Origin(f"`{use.owner}`", use.param_span("type"))))
        return None if spectrum is None else spectrum.of(kept)

    def _refuse(self, use: Use, error: SelectionError, bands: Size) -> None:
        spot = use.param_span(error.parameter)
        if isinstance(error, SelfContradiction):
            fact = f"`{use.owner}` ({use.name}): {error.fact}"
            self._diagnostics.error("E502", fact, spot, help=error.remedy)
            return
        span = bands.origin.span if bands.origin is not None else None
        self._diagnostics.error(
            "E502",
            f"`{use.owner}` ({use.name}): {error}",
            spot,
            label="the bands it looks for; `cuvisc inspect FILE` shows those there are",
            notes=((span, f"its {bands.value} comes from {bands.origin.name}"),)
            if bands.origin is not None and span is not None
            else (),
        )


def _fits(spectrum: Spectrum, bands: Size) -> bool:
    known = [part for part in vars(spectrum).values() if part is not None]
    return all(len(part) == bands.value for part in known)
