"""What a graph is told of its bands comes from the data or the spec, and is settled in what it leaves behind."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import spectra
from format_files import write_envi

from cuvisc.cli.app import main
from cuvisc.runtime.inference import Predictor

CENTERS = np.linspace(400, 970, 20)
SPEC = """
graph:
  name: bands
  input: {declared}
  outputs: [rx.scores, nodata.valid]
datamodule: {type: CubeFiles, train: scene.npz, val: scene.npz, data_dir: .}
nodes:
  nodata: {type: NoDataMask, nodata: 0}
  pick: {type: BandSelector, parent: nodata.marked, ranges: [[500, 900]]}
  coarse: {type: SpectralResampler, centers: [550, 650, 750, 850]}
  rx: {type: RXGlobal}
training: {trainer: {max_epochs: 0}}
"""


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr("sys.argv", ["cuvisc", *arguments])
        main()
    return int(left.value.code or 0), capsys.readouterr().err


def prepare(declared: str = "{}", **more: Any) -> np.ndarray:
    cube = (spectra(30, 40, 20) * 1000 + 1).astype("u2")
    cube[0, :5] = 0
    np.savez("scene.npz", cube=cube, **more)
    Path("spec.yaml").write_text(textwrap.dedent(SPEC.replace("{declared}", declared)), encoding="utf-8")
    return cube


@pytest.mark.parametrize("told", ["by the data", "by the spec"])
def test_an_artifact_that_begins_with_a_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    """It states the wavelengths and the range of the whole input; its scores are those of NumPy."""
    monkeypatch.chdir(tmp_path)
    listed = [round(float(center), 6) for center in CENTERS]
    by_data = told == "by the data"
    cube = prepare(
        *([] if by_data else [f"{{wavelengths: {listed}}}"]), **({"wavelengths": CENTERS} if by_data else {})
    )
    code, err = run("train", "spec.yaml", "-o", "run", capsys=capsys)
    assert code == 0, err
    code, err = run("export", "run", "-o", "artifact", capsys=capsys)
    assert code == 0, err
    manifest = json.loads(Path("artifact/manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["wavelengths"] == pytest.approx(CENTERS)
    assert manifest["input"]["range"] == [0, cube.max()]
    valid = cube.min(axis=-1) > 0
    kept = (CENTERS >= 500) & (CENTERS <= 900)
    wanted = [550, 650, 750, 850]
    low = np.apply_along_axis(
        lambda x: np.interp(wanted, CENTERS[kept], x), -1, cube[..., kept].astype(float)
    )
    centered = low - low[valid].mean(axis=0)
    expected = np.einsum("hwi,ij,hwj->hw", centered, np.linalg.inv(np.cov(low[valid].T)), centered)
    found = Predictor(Path("artifact"), device="cpu").predict(cube)
    np.testing.assert_array_equal(found["nodata.valid"][..., 0], valid)
    np.testing.assert_allclose(found["rx.scores"][..., 0], np.where(valid, expected, np.nan), rtol=2e-3)


def test_nobody_says_the_wavelengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of data that no header is looked at, before training; see the gallery of errors for others."""
    monkeypatch.chdir(tmp_path)
    prepare()
    Path("scenes").mkdir()
    Path("scene.npz").rename("scenes/scene.npz")
    spec = Path("spec.yaml")
    spec.write_text(spec.read_text().replace("scene.npz", "'sc*/scene.npz'"))
    code, err = run("train", "spec.yaml", "-o", "run", capsys=capsys)
    assert code == 3
    assert err.splitlines()[-1] == (
        "error: `nodes.pick` (BandSelector): nothing says the wavelengths of the 20 bands it reads: "
        "give the data some, or write them in `graph.input.wavelengths`"
    )


def test_data_and_spec_contradict_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(f"{{wavelengths: {[420 + 30 * band for band in range(20)]}}}", wavelengths=CENTERS)
    code, err = run("train", "spec.yaml", "-o", "run", capsys=capsys)
    assert code == 3
    assert err.splitlines()[-1] == (
        "error: the training data has 20 bands, 400.0-970.0 nm, `graph.input.wavelengths` says 20 bands, "
        "420.0-990.0 nm: leave it out where the data says its wavelengths"
    )


JUDGED = """
graph: {name: judged, outputs: [pick.selected]}
datamodule: {data}
nodes:
  pick: {type: BandSelector, bad: drop}
  rx: {type: RXGlobal}
training: {trainer: {max_epochs: 0}}
"""


@pytest.mark.parametrize(
    "data",
    [
        "{type: CubeFiles, train: a.hdr}",
        "{type: CubeFiles, train: ['*.hdr']}",
        "{type: CubeFolder, files: '*.hdr', data_dir: .}",
    ],
)
def test_bands_that_the_headers_call_bad_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    """From ENVI headers through training and export to a prediction: a band stays where no file calls it bad."""
    monkeypatch.chdir(tmp_path)
    cube = (spectra(12, 14, 20) * 1000).astype("u2")
    bad = {"a.hdr": {2, 3, 11}, "b.hdr": {3, 17}, "c.hdr": set[int]()}
    for name, bands in bad.items():
        judged = [int(band not in bands) for band in range(20)]
        write_envi(Path(name), cube, **({"bbl": judged} if bands else {}))
    Path("spec.yaml").write_text(JUDGED.replace("{data}", data), encoding="utf-8")
    dropped = bad["a.hdr"] if "a.hdr" in data else bad["a.hdr"] | bad["b.hdr"]
    for words in (["train", "spec.yaml", "-o", "run"], ["export", "run", "-o", "artifact"]):
        code, err = run(*words, capsys=capsys)
        assert code == 0, err
    code, err = run("predict", "artifact", "a.hdr", "-o", "out.npz", capsys=capsys)
    assert code == 0, err
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(
            found["pick.selected"].reshape(12, 14, -1),
            cube[..., [band for band in range(20) if band not in dropped]],
        )


def test_nobody_says_which_bands_are_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare()
    Path("spec.yaml").write_text(JUDGED.replace("{data}", "{type: CubeFiles, train: scene.npz}"))
    code, err = run("train", "spec.yaml", "-o", "run", capsys=capsys)
    assert code == 3
    assert err.splitlines()[-1] == (
        "error: `nodes.pick` (BandSelector): `bad: drop`, but the data does not say which bands are bad; "
        "leave it out, and name those to keep as `indices` or `ranges`"
    )
