"""Selection by wavelength, range, index and judgement, resampling, and pixels without data, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import fit_module, spectra, typed

from cuvisc.compiler.lowering import lower
from cuvisc.compiler.module import ShapeError, build_module
from cuvisc.language.node import FitError
from cuvisc.language.spectrum import Spectrum, joined, neighbour_distances
from cuvisc.nodes.bands import BandSelector, SpectralResampler
from cuvisc.nodes.nodata import NoDataMask

CENTERS = tuple(400.0 + 10 * band for band in range(20))
GOOD = tuple(band not in (3, 4) for band in range(20))


JUDGED = Spectrum(CENTERS, good=GOOD)


def bound(node: Any, spectrum: Spectrum | None = JUDGED, bands: int = 20) -> Any:
    node.spectrum = spectrum
    node.bind({"C": bands})
    node.fit(None)
    return node


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, list(range(20))),
        ({"indices": [7, 2]}, [2, 7]),
        ({"wavelengths": [582.0, 404.9]}, [0, 18]),
        ({"ranges": [[420, 440], [585, 700]]}, [2, 3, 4, 19]),
        ({"ranges": [[420, 440]], "bad": "drop"}, [2]),
        ({"indices": [0], "wavelengths": [450], "ranges": [[430, 440]], "bad": "drop"}, [0, 5]),
    ],
)
def test_selection(params: dict[str, Any], kept: list[int]) -> None:
    """What the lists name together, in the order of the cube."""
    node = bound(BandSelector(**params))
    cube = torch.from_numpy(spectra(1, 3, 4, 20))
    assert node.kept.tolist() == kept
    assert node.dims["K"] == len(kept)
    assert torch.equal(node(cube=cube), cube[..., kept])
    assert node.output_spectrum().wavelengths == tuple(CENTERS[band] for band in kept)


@pytest.mark.parametrize(
    ("params", "spectrum", "message"),
    [
        ({"indices": [20]}, None, "`indices` names band 20, but it reads 20, numbered from 0"),
        ({"indices": [3, 5, 3]}, None, "`indices` names band 3 twice; name it once"),
        ({"wavelengths": [450.0, 450.0]}, JUDGED, "`wavelengths` names 450 nm twice; name it once"),
        (
            {"wavelengths": [500.0]},
            None,
            (
                "nothing says the wavelengths of the 20 bands it reads: give the data some, or write them in "
                "`graph.input.wavelengths`"
            ),
        ),
        (
            {"wavelengths": [650.0]},
            Spectrum(CENTERS),
            "no band is near 650 nm; the nearest is band 19 at 590 nm",
        ),
        (
            {"wavelengths": [500.0, 502.0]},
            Spectrum(CENTERS),
            "500 and 502 nm both mean band 10 at 500 nm; name one",
        ),
        (
            {"ranges": [[700, 800]]},
            Spectrum(CENTERS),
            "no band lies between 700 and 800 nm; the 20 bands are at 400 to 590 nm",
        ),
        (
            {"bad": "drop"},
            Spectrum(CENTERS),
            (
                "`bad: drop`, but the data does not say which bands are bad; leave it out, "
                "and name those to keep as `indices` or `ranges`"
            ),
        ),
        ({"indices": [3], "bad": "drop"}, Spectrum(CENTERS, good=GOOD), "no band is left"),
    ],
)
def test_selection_refused(params: dict[str, Any], spectrum: Spectrum | None, message: str) -> None:
    with pytest.raises(FitError) as caught:
        bound(BandSelector(**params), spectrum)
    assert str(caught.value) == message


def test_linear_resampling() -> None:
    """Interpolation between the good bands around a centre, as numpy.interp has it; beyond the ends, the end."""
    wanted = [398.0, 405.0, 433.0, 590.0]
    node = bound(SpectralResampler(centers=wanted))
    cube = spectra(1, 3, 4, 20).astype(np.float64)
    good = np.array(GOOD)
    known = np.array(CENTERS)[good]
    expected = np.apply_along_axis(lambda x: np.interp(wanted, known, x), -1, cube[..., good])
    found = node(cube=torch.from_numpy(cube)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_gaussian_resampling() -> None:
    """A sine seen through a Gaussian of deviation s is that sine times exp(-s^2 / (2 period^2))."""
    known = np.arange(400.0, 700.0)
    wanted = np.array([470.0, 500.0, 600.0])
    node = bound(
        SpectralResampler(centers=wanted.tolist(), method="gaussian", fwhm=20.0),
        Spectrum(tuple(known.tolist())),
        len(known),
    )
    found = node(cube=torch.from_numpy(np.sin(known / 40) + 2)[None, None, None]).numpy().ravel()
    deviation = 20 / np.sqrt(8 * np.log(2))
    expected = np.sin(wanted / 40) * np.exp(-(deviation**2) / (2 * 40**2)) + 2
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_gaussian_keeps_what_is_constant() -> None:
    """The weights of every centre sum to one, also on uneven centres."""
    uneven = Spectrum(tuple(400 + band**1.5 for band in range(20)))
    node = bound(SpectralResampler(centers=[410.0, 430.0, 460.0], method="gaussian"), uneven)
    np.testing.assert_allclose(node.weights.numpy().sum(0), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"centers": [380.0]}, "380 nm is outside the cube, whose bands are at 400 to 590 nm"),
        ({"centers": [450.0, 500.0, 450.0]}, "`centers` names 450 nm twice; name it once"),
        (
            {"centers": [450.0], "method": "gaussian"},
            "the distance between these centres is no width; say `fwhm`",
        ),
        (
            {"centers": [455.0], "method": "gaussian", "fwhm": 0.5},
            (
                "no band of the cube lies within the 0.5 nm around 455 nm: `method: linear` interpolates, and a larger "
                "`fwhm`, such as 10, reaches one"
            ),
        ),
    ],
)
def test_resampling_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(FitError) as caught:
        bound(SpectralResampler(**params), Spectrum(CENTERS))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("centers", "fwhm", "enough"), [([455.0, 510.0], 0.5, 10), ([473.0, 586.0], 1.0, 8), ([583.0], 0.1, 6)]
)
def test_the_width_that_is_offered_is_enough(centers: list[float], fwhm: float, enough: float) -> None:
    """Twice the distance to the nearest band, of bands 10 nm apart."""
    spectrum = Spectrum(CENTERS)
    with pytest.raises(FitError, match=f"a larger `fwhm`, such as {enough}, reaches one"):
        bound(SpectralResampler(centers=centers, method="gaussian", fwhm=fwhm), spectrum)
    node = bound(SpectralResampler(centers=centers, method="gaussian", fwhm=float(enough)), spectrum)
    np.testing.assert_allclose(node.weights.numpy().sum(0), 1, rtol=1e-12)


def test_invalid_pixels() -> None:
    """NaN, infinity, the number for none and saturation in any band make a pixel invalid, and nothing else does."""
    cube = spectra(1, 2, 5, 3)
    for column, value in enumerate((np.nan, np.inf, -9999.0, 4095.0)):
        cube[0, 0, column, column % 3] = value
    node = NoDataMask(nodata=-9999.0, saturation=4095.0)
    marked, valid = node(cube=torch.from_numpy(cube))
    expected = np.ones((1, 2, 5, 1), bool)
    expected[0, 0, :4] = False
    np.testing.assert_array_equal(valid.numpy(), expected)
    np.testing.assert_array_equal(marked.numpy(), np.where(expected, cube, np.nan))


def test_wavelengths_follow_the_bands() -> None:
    """Nodes that keep the bands hand their wavelengths on; what is joined has those of all its parts."""
    graph = typed(
        """
        graph: {input: {channels: 20}}
        nodes:
          low: {type: BandSelector, indices: [1, 2, 3]}
          scaled: {type: MinMaxNormalizer, parent: low}
          high: {type: BandSelector, parent: input, ranges: [[580, 600]]}
          some: {type: BandSelector, parent: [scaled, high], wavelengths: [420, 580]}
        """
    )
    module = build_module(graph)
    module.spectrum = Spectrum(CENTERS)
    module.bind(20)
    assert module.node("some").spectrum == Spectrum((410.0, 420.0, 430.0, 580.0, 590.0))
    assert module.node("some").dims["K"] == 2


def test_projections_have_no_wavelengths() -> None:
    graph = typed(
        """
        nodes:
          pca: {type: TrainablePCA, n_components: 3}
          pick: {type: BandSelector, wavelengths: [500]}
        """
    )
    module = build_module(graph)
    module.spectrum = Spectrum(CENTERS)
    with pytest.raises(ShapeError) as caught:
        module.bind(20)
    assert str(caught.value) == (
        "`nodes.pick` (BandSelector): nothing says the wavelengths of the 3 bands it reads: "
        "give the data some, or write them in `graph.input.wavelengths`"
    )


def test_selection_goes_to_the_front() -> None:
    """Of what is normalised first, only the bands that are kept are computed."""
    graph = typed(
        """
        nodes:
          unit: {type: MinMaxNormalizer}
          pick: {type: BandSelector, ranges: [[450, 500]]}
          coarse: {type: SpectralResampler, centers: [460, 490]}
        """
    )
    module = build_module(graph)
    module.spectrum = Spectrum(CENTERS)
    module.bind(20)
    fit_module(module, spectra(1, 8, 8, 20))
    operations = lower(module).fused.operations
    assert [operation.op.name for operation in operations] == ["gather_bands", "affine"]
    assert operations[1].origin == ("unit", "pick", "coarse")
    assert operations[1].constants["matrix"].shape == (6, 2)


def test_declared_wavelengths_are_known_at_once() -> None:
    graph = typed(
        """
        graph: {input: {wavelengths: [450, 550, 650]}}
        nodes:
          pick: {type: BandSelector, wavelengths: [651, 449]}
        """
    )
    assert str(graph.input.type) == "float32[B,H,W,3]"
    module = build_module(graph)
    module.bind(3)
    assert module.node("pick").dims["K"] == 2


def test_joined_spectra() -> None:
    """What one part does not say is not known of the whole."""
    one, other = Spectrum((1.0, 2.0), good=(True, False)), Spectrum((3.0,))
    assert joined([one]) == one
    assert joined([one, other]) == Spectrum((1.0, 2.0, 3.0))
    assert joined([one, None]) is None
    assert neighbour_distances((5.0, 1.0, 2.0)) == (3.0, 1.0, 1.0)
    assert neighbour_distances((5.0,)) == (np.inf,)
