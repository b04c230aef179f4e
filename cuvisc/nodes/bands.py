"""Nodes that know the wavelengths of the cube: selection of bands, and other band centres."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from cuvisc.language import ops
from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.selection import (
    Selection,
    SelectionError,
    check_distinct,
    check_inside,
    check_seen,
    gaussian_widths,
    known_centers,
)
from cuvisc.language.spectrum import Spectrum
from cuvisc.language.statistics import Result


class BandSelector(Node):
    """Keep some bands, chosen by wavelength, by range, by index, or as the data judges them.

    y_k = x_{i_k},  i_1 < i_2 < … the bands that ``wavelengths``, ``ranges`` or ``indices`` name, all where none of them
    is given, without the bad ones where ``bad`` is drop

    A wavelength means the band of the nearest centre, which must be no further away than its neighbour is. Which bands
    those are is settled once, when training begins, and belongs to the weights. An exported model still reads the
    whole cube, and computes on these bands alone.
    """

    cube = In("float32[B,H,W,C]", "spectra, any unit")
    selected = Out("float32[B,H,W,K]", "the chosen bands, in the order of the cube")
    wavelengths: list[float] | None = Param(None, "centres in nanometres; the nearest band of each is kept")
    ranges: list[tuple[float, float]] | None = Param(
        None, "pairs of nanometres, from and to; bands whose centre lies between them, or on them, are kept"
    )
    indices: list[int] | None = Param(None, "numbers of bands that are kept, the first is 0")
    bad: Literal["keep", "drop"] = Param("keep", "drop leaves out the bands that the data calls bad")
    kept = State("int64[K]", "numbers of the bands that are kept, ascending")
    mapping = "affine"
    reads_spectrum = True
    selects = "K"

    def bind(self, dims: Mapping[str, int]) -> None:
        bands = dims["C"]
        kept = self.kept.tolist() if self.kept.numel() else _chosen(self, bands)
        if not kept or not 0 <= kept[0] <= kept[-1] < bands:
            raise FitError(
                f"no band is left of the {bands}" if not kept else f"the cube has only {bands} bands"
            )
        super().bind({**dims, "K": len(kept)})

    def solve(self, measured: Result | None) -> Fitted:
        return {"kept": np.array(_chosen(self, self.dims["C"]), np.int64)}

    def output_spectrum(self) -> Spectrum | None:
        if self.spectrum is None:
            return None
        return self.spectrum.of(self.kept.tolist() or _chosen(self, self.dims["C"]))

    def forward(self, cube: Any) -> Any:
        return ops.gather_bands(cube, self.kept.tolist())


class SpectralResampler(Node):
    """Spectra at other band centres: a fixed linear map once the wavelengths of the cube are known.

    y_k = sum_c w_kc x_c,  sum_c w_kc = 1

    ``linear`` interpolates between the two bands around a centre. ``gaussian`` is what a band with this full width at
    half maximum would see: w_kc proportional to d_c exp(-4 ln 2 ((l_c - centre_k) / fwhm_k)^2), d_c being the distance
    between the neighbours of band c. Bands that the data calls bad are not used. A centre outside the cube's range by
    more than half the distance between its outermost bands is an error.
    """

    cube = In("float32[B,H,W,C]", "spectra, any unit")
    resampled = Out("float32[B,H,W,centers]", "spectra at the centres, in the unit of the cube")
    centers: list[float] = Param(doc="band centres wanted, in nanometres; each once", least_items=1)
    method: Literal["linear", "gaussian"] = Param(
        "linear", "interpolate, or weigh as a band of this width does"
    )
    fwhm: float | None = Param(
        None, "width of every band in nanometres; default: the distance to the nearest other centre", gt=0
    )
    weights = State("float64[C,centers]", "what every band of the cube adds to every centre")
    mapping = "affine"
    reads_spectrum = True
    recentres = "centers"
    gaussian_widths = Choose("method", {"gaussian": "fwhm"}, otherwise=None)

    def bind(self, dims: Mapping[str, int]) -> None:
        super().bind({**dims, "centers": len(self.centers)})

    def solve(self, measured: Result | None) -> Fitted:
        known = np.array(_centers(self, self.dims["C"]), np.float64)
        usable = np.arange(len(known))
        if self.spectrum is not None and self.spectrum.good is not None and any(self.spectrum.good):
            usable = usable[np.array(self.spectrum.good)]
        usable = usable[np.argsort(known[usable], kind="stable")]
        wanted = np.array(self.centers, np.float64)
        _check_centers(known[usable], wanted)
        weights = np.zeros((len(known), len(wanted)))
        make = _linear if self.method == "linear" else self._gaussian
        weights[usable] = make(known[usable], wanted)
        return {"weights": weights}

    def _gaussian(self, known: Any, wanted: Any) -> Any:
        try:
            check_seen(known.tolist(), wanted.tolist(), self.fwhm)
        except SelectionError as error:
            raise FitError(str(error)) from error
        widths = np.array(gaussian_widths(wanted.tolist(), self.fwhm))
        spacing = np.abs(np.gradient(known)) if len(known) > 1 else np.ones(1)
        response = spacing[:, None] * np.exp(-4 * np.log(2) * ((known[:, None] - wanted) / widths) ** 2)
        return response / response.sum(axis=0)

    def output_spectrum(self) -> Spectrum:
        return Spectrum(tuple(self.centers))

    def forward(self, cube: Any) -> Any:
        return ops.affine(cube, self.weights)


def _chosen(node: BandSelector, bands: int) -> list[int]:
    """Numbers of the bands that the parameters mean, ascending; raises :class:`FitError`."""
    try:
        return Selection(**node.params()).of(bands, node.spectrum)
    except SelectionError as error:
        raise FitError(str(error)) from error


def _centers(node: SpectralResampler, bands: int) -> tuple[float, ...]:
    """Centres of the bands that a node reads; raises :class:`FitError` where nobody says them."""
    try:
        return known_centers(node.spectrum, bands, "centers")
    except SelectionError as error:
        raise FitError(str(error)) from error


def _check_centers(known: Any, wanted: Any) -> None:
    """Raise :class:`FitError` for centres that would have to be made up, and for repeated ones."""
    try:
        check_distinct(wanted.tolist(), "centers")
        check_inside(known.tolist(), wanted.tolist())
    except SelectionError as error:
        raise FitError(str(error)) from error


def _linear(known: Any, wanted: Any) -> Any:
    """Weights [bands, centres] of the two bands around each centre."""
    return np.stack([np.interp(wanted, known, unit) for unit in np.eye(len(known))])
