"""A cube with other bands than the model's is refused with both sides shown, or interpolated as NumPy interpolates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc, Run
from format_files import centers_of, cube_of, write_envi, write_tiff
from hypothesis import given
from hypothesis import strategies as st
from small_artifacts import SmallArtifact, write_artifact

from cuvisc.runtime.data.arrays import MemoryArray, Opened
from cuvisc.runtime.data.band_axis import deviating, tolerances
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.resampling import Resampled
from cuvisc.runtime.data.source import CubeSource


@pytest.fixture
def small(tmp_path: Path) -> SmallArtifact:
    made = write_artifact(tmp_path / "artifact", decide=False)
    made.rewrite(lambda manifest: manifest["input"].update(wavelengths=centers_of(5)))
    return made


def scene(name: str, cube: np.ndarray[Any, Any], centers: list[float] | None) -> None:
    fields = {} if centers is None else {"wavelength": centers, "wavelength units": "nm"}
    write_envi(Path(name), cube, **fields)


def refused(found: Run) -> str:
    assert (found.code, found.out) == (3, "")
    assert not Path("x.npz").exists()
    return found.err


def test_bands_within_half_their_distance_are_taken(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    scene("a.hdr", cube_of(), [center + 25 for center in centers_of(5)])
    assert cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz").err == ""


def test_bands_further_off_are_refused_with_both_centres(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    scene("a.hdr", cube_of(), [450, 500, 576, 600, 680])
    assert refused(cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz")) == (
        "error: a.hdr has other bands than `small` was trained on: 2 of 5 centres are further off than half the "
        "distance between bands; band 5 is at 680 nm instead of 650 nm (tolerance 25 nm); "
        "--resample interpolates, --ignore-wavelengths runs as is\n"
    )
    assert cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz", "--ignore-wavelengths").code == 0


def test_another_number_of_bands_is_refused_with_both_ranges(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    scene("a.hdr", cube_of((3, 4, 7)), centers_of(7))
    assert refused(cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz", "--ignore-wavelengths")) == (
        "error: a.hdr has 7 bands, 450.0-750.0 nm; `small` was trained on 5 bands, 450.0-650.0 nm; "
        "--resample interpolates to them\n"
    )


def test_a_cube_without_wavelengths_is_run_with_a_warning(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    scene("a.hdr", cube_of(), None)
    found = cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz")
    assert found.code == 0
    assert found.err == (
        "warning: a.hdr does not say its wavelengths; "
        "whether they are those that `small` was trained on is not checked\n"
    )


def test_bands_on_another_axis_are_seen(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    np.savez("scene.npz", cube=np.ones((5, 7, 9), "u2"))
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "out.npz")
    assert refused(found) == (
        "error: scene.npz has 9 bands, its shape is (5, 7, 9); `small` was trained on 5. "
        "Its bands stand first? A cube is [H,W,C], with the bands last\n"
    )


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1, ""), (100, "100 to 10000"), (0.0001, "0.0001 to 0.01"), (0.5, "")],
)
def test_values_of_another_scale_are_warned_of(
    cuvisc: Cuvisc, small: SmallArtifact, factor: float, words: str
) -> None:
    """Once a file, with both ranges, on the terminal and in the summary."""
    small.rewrite(lambda manifest: manifest["input"].update(range=[0, 120]))
    cube = np.ones((6, 8, 5), "f4")
    cube[0, 0] = 100
    np.savez("scene.npz", cube=cube * np.float32(factor), mask=np.eye(6, 8))
    options = ("-o", "out.npz", "--json", "--ignore-wavelengths")
    found = cuvisc("predict", "artifact", "scene.npz", *options)
    warning = (
        f"scene.npz has values from {words}, `small` was trained on 0 to 120: "
        "another unit or scale makes its scores meaningless"
    )
    assert found.err == (f"warning: {warning}\n" if words else "")
    assert json.loads(found.out)["warnings"] == ([warning] if words else [])
    judged = cuvisc("evaluate", "artifact", "scene.npz", "--ignore-wavelengths")
    assert (warning in judged.err) == bool(words)


def test_resampling_is_linear_and_is_said_in_the_output(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = cube_of((6, 7, 9), "u2")
    centers = np.linspace(430, 670, 9)
    tags = {"wavelength": [f"{c}" for c in centers], "wavelength_units": ["nm"] * 9}
    write_tiff(Path("a.tif"), cube, tags)
    found = cuvisc("predict", "artifact", "a.tif", "-o", "x.npz", "--resample", "--json")
    assert json.loads(found.out)["resampled"] is True
    expected = np.apply_along_axis(lambda s: np.interp(centers_of(5), centers, s), 2, cube.astype("f8"))
    with np.load("x.npz") as written:
        np.testing.assert_allclose(written["rx.scores"], small.scores(expected), rtol=2e-4, atol=1e-5)
        np.testing.assert_array_equal(written["resampled_wavelengths"], centers_of(5))
    assert cuvisc("predict", "artifact", "a.tif", "-o", "x.hdr", "--resample").code == 0
    assert "cuvisc resampling = linear to the 5 band centres of the model" in Path("x.hdr").read_text()


def test_resampling_never_extrapolates(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    scene("a.hdr", cube_of(), [450, 490, 530, 570, 610])
    assert refused(cuvisc("predict", "artifact", "a.hdr", "-o", "x.npz", "--resample")) == (
        "error: --resample: a.hdr has 5 bands, 450.0-610.0 nm; "
        "`small` also wants 1 bands outside, such as 650.0 nm\n"
    )
    scene("b.hdr", cube_of(), None)
    assert refused(cuvisc("predict", "artifact", "b.hdr", "-o", "x.npz", "--resample")) == (
        "error: --resample: b.hdr does not say its wavelengths\n"
    )


@given(
    known=st.lists(st.integers(400, 900), min_size=2, max_size=12, unique=True),
    wanted=st.lists(st.floats(400, 900), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_resampled_spectra_are_those_of_numpy(known: list[int], wanted: list[float], seed: int) -> None:
    cube = np.random.default_rng(seed).uniform(0, 1, (2, 3, len(known)))
    facts = CubeFacts("memory", cube.shape, cube.dtype, wavelengths=tuple(map(float, known)))
    source = Resampled(CubeSource(Opened(facts, MemoryArray(cube)), "cube"), wanted)
    ((_, found),) = source.blocks(100)
    order = np.argsort(known)
    expected = np.apply_along_axis(lambda s: np.interp(wanted, np.array(known)[order], s[order]), 2, cube)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert source.shape == (1, 2, 3, len(wanted))


def test_resampling_leaves_out_bad_bands_and_keeps_holes() -> None:
    cube = np.array([[[1, 99, 3, 4], [-1, -1, -1, -1], [1, 99, -1, 4]]], "i2")
    facts = CubeFacts(
        "memory",
        cube.shape,
        cube.dtype,
        wavelengths=(400.0, 500.0, 600.0, 700.0),
        good_bands=(True, False, True, True),
        nodata=-1,
    )
    source = Resampled(CubeSource(Opened(facts, MemoryArray(cube)), "cube"), (400, 500, 700))
    ((_, found),) = source.blocks(100)
    nan = np.nan
    np.testing.assert_array_equal(found, [[[1, 2, 4], [nan, nan, nan], [1, nan, 4]]])


def test_a_band_tolerates_half_the_distance_to_its_nearest_neighbour() -> None:
    assert tolerances([400, 410, 430, 425]) == (5, 5, 2.5, 2.5)
    assert tolerances([400]) == (np.inf,)
    assert deviating([404.9, 415.1, 430, 425], [400, 410, 430, 425]) == [1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_large_cube_is_predicted_in_little_memory(tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact", bands=100, decide=False)
    lines, samples = 2000, 1500
    with (tmp_path / "cube.img").open("wb") as data:
        data.truncate(lines * samples * 100 * 2)
    (tmp_path / "cube.hdr").write_text(
        f"ENVI\nlines = {lines}\nsamples = {samples}\nbands = 100\ndata type = 12\ninterleave = bsq\n"
        "byte order = 0\nheader offset = 0\nfile type = ENVI Standard\n"
    )
    program = (
        "import re; from cuvisc.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as left: assert not left.code\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    arguments = ["predict", "artifact", "cube.hdr", "-o", "scores.tif", "--threads", "1"]
    found = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert int(found.stdout.splitlines()[-1]) < 400, "MB of a file of 600"
