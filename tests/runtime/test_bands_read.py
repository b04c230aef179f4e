"""What a model does not read of a cube it neither demands nor warns of; an artifact says which bands it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc
from fitted_graphs import fitted, moments, spectra
from format_files import write_envi

from cuvisc.compiler.lowering import lower
from cuvisc.compiler.reads import bands_read
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.export import Source, export
from cuvisc.runtime.inference import Predictor

CUBE = spectra(1, 12, 10, 9, seed="bands read", dtype="uint16")
CENTERS = tuple(float(center) for center in range(400, 850, 50))


def graph(*nodes: str) -> str:
    listed = "".join(f"  n{number}: {{type: {node}}}\n" for number, node in enumerate(nodes))
    return f"nodes:\n{listed}  rx: {{type: RXGlobal}}\ngraph: {{outputs: [rx.scores]}}\n"


def write_artifact(folder: Path, *nodes: str) -> None:
    module = fitted(graph(*nodes), CUBE)
    pixels = CUBE.reshape(-1, CUBE.shape[-1])
    export(Source(module, "0" * 64, "uint16", pixels, moments(CUBE), CENTERS), folder)


@pytest.mark.parametrize(
    ("nodes", "read"),
    [
        ((), None),
        (("BandSelector, indices: [2, 3, 5]",), (2, 3, 5)),
        (("MinMaxNormalizer", "BandSelector, indices: [2, 3, 5]"), (2, 3, 5)),
        (("BandSelector, indices: [2, 3, 5, 6]", "BandSelector, indices: [1, 3]"), (3, 6)),
        (("BandSelector, indices: [2, 3, 5]", "NoDataMask, nodata: 0"), (2, 3, 5)),
        (("NoDataMask, nodata: 0", "BandSelector, indices: [2, 3, 5]"), None),
        (("BandSelector",), None),
    ],
)
def test_the_bands_that_are_read_are_those_that_change_something(
    nodes: tuple[str, ...], read: tuple[int, ...] | None
) -> None:
    module = fitted(graph(*nodes), CUBE)
    assert bands_read(lower(module, moments(CUBE)).fused) == read


def test_other_bands_change_nothing(tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact", "BandSelector, indices: [2, 3, 5]")
    assert Artifact.open(tmp_path / "artifact").manifest.bands_read == (2, 3, 5)
    predictor = Predictor(tmp_path / "artifact")
    before = predictor.predict(CUBE)["rx.scores"]
    for band in range(CUBE.shape[-1]):
        changed = CUBE.copy()
        changed[..., band] += 100
        same = np.array_equal(predictor.predict(changed)["rx.scores"], before)
        assert same is (band not in (2, 3, 5))


@pytest.mark.parametrize(("hole", "warned"), [(4, False), (5, True)])
def test_only_a_band_that_is_read_is_warned_of(
    cuvisc: Cuvisc, tmp_path: Path, hole: int, warned: bool
) -> None:
    write_artifact(tmp_path / "artifact", "BandSelector, indices: [2, 3, 5]")
    cube = CUBE[0].astype("i2") + 1
    cube[..., hole] = -1
    cube[0, 0] = -1
    fields: dict[str, Any] = {"wavelength": CENTERS, "wavelength units": "nm", "data ignore value": -1}
    write_envi(Path("scene.hdr"), cube, **fields)
    found = cuvisc("predict", "artifact", "scene.hdr", "-o", "x.npz")
    words = (
        "warning: 119 of 120 pixels have no data in some bands; the model saw the number that stands for none"
    )
    assert (found.code, words in found.err.splitlines()) == (0, warned)
    assert "warning: 1 of 120 pixels have no data; they have no score and are never decided for" in found.err


def test_only_bands_that_are_read_have_to_lie_inside_what_is_resampled(
    cuvisc: Cuvisc, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "artifact", "BandSelector, indices: [2, 3, 5]")
    fields: dict[str, Any] = {"wavelength": (480, 560, 680), "wavelength units": "nm"}
    write_envi(Path("scene.hdr"), CUBE[0, :, :, :3], **fields)
    found = cuvisc("predict", "artifact", "scene.hdr", "-o", "x.npz", "--resample")
    assert (found.code, found.err) == (0, "")
    at = np.apply_along_axis(lambda s: np.interp(CENTERS, (480, 560, 680), s), 2, CUBE[0, :, :, :3])
    with np.load("x.npz") as written:
        expected = Predictor(tmp_path / "artifact").predict(at.astype("f4"))["rx.scores"]
        np.testing.assert_allclose(written["rx.scores"], expected, rtol=1e-4, atol=1e-4)
    fields["wavelength"] = (520, 560, 620)
    write_envi(Path("narrow.hdr"), CUBE[0, :, :, :3], **fields)
    found = cuvisc("predict", "artifact", "narrow.hdr", "-o", "y.npz", "--resample")
    assert found.code == 3
    assert found.err == (
        "error: --resample: narrow.hdr has 3 bands, 520.0-620.0 nm; "
        "`graph` also wants 1 bands outside, such as 650.0 nm\n"
    )
