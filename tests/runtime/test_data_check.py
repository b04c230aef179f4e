"""What is odd about data is found, whatever data module gives it, and what is not odd is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_checks import checked, checked_module, said
from format_files import centers_of, cube_of, write_envi, write_tiff
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lightning.pytorch import LightningDataModule
from memory_data import FROZEN, scene
from scene_folders import write_scenes

from cuvisc.language.declare import Param
from cuvisc.runtime.data.cube_folder import CubeFolder
from cuvisc.runtime.data.datamodule import GraphDataModule, Stage
from cuvisc.runtime.data_check.tally import Tally


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


values = st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from([np.nan, np.inf, -np.inf, -99.0, 1e6]))


@given(
    arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=values), st.integers(1, 9)
)
def test_a_tally_in_parts_is_that_of_numpy_on_the_whole(spectra: Any, step: int) -> None:
    tally = Tally(spectra.shape[1], -99.0)
    for start in range(0, len(spectra), step):
        tally.add(spectra[start : start + step])
    used = np.ma.masked_where(~np.isfinite(spectra) | (spectra == -99), spectra.astype(np.float64))
    assert tally.nan_values == np.isnan(spectra).sum()
    assert tally.infinite_values == np.isinf(spectra).sum()
    assert tally.nodata_values == (spectra == -99).sum()
    finite = np.isfinite(spectra)
    assert tally.empty_pixels == (~finite.any(axis=1)).sum()
    assert tally.partial_pixels == (finite.any(axis=1) & ~finite.all(axis=1)).sum()
    if not used.count():
        assert tally.minimum is tally.maximum is tally.mean is None
        return
    assert (tally.minimum, tally.maximum) == (used.min(), used.max())
    assert tally.mean == pytest.approx(used.mean(), rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(tally.spectrum, used.mean(axis=0).filled(np.nan), rtol=1e-9, atol=1e-6)
    constant = [b for b in range(spectra.shape[1]) if len(np.unique(used[:, b].compressed())) < 2]
    assert tally.constant_bands == constant
    whole = Tally(spectra.shape[1], -99.0)
    whole.add(spectra)
    assert tally.content == whole.content


def test_good_data_has_no_finding_but_notes(folder: Path) -> None:
    write_scenes(folder, 6, 20)
    found = checked("type: CubeFolder, batch_size: 2")
    assert said(found) == []
    assert {stage: len(found.survey.of(stage)) for stage in ("train", "val", "test")} == {
        "train": 4,
        "val": 1,
        "test": 1,
    }
    assert found.needs is not None
    assert (found.needs.batch_bytes, found.needs.data_bytes) == (2 * 20 * 20 * 6 * 2, 6 * 20 * 20 * 6 * 2)


def test_bands_that_are_dead_or_repeated_are_named(folder: Path) -> None:
    for name in ("a", "b"):
        cube = cube_of((9, 9, 8), seed=ord(name))
        cube[..., 2:4], cube[..., 6] = 5, cube[..., 1]
        np.save(f"{name}.npy", cube)
    np.save("c.npy", cube_of((9, 9, 8), seed=5))
    found = checked("type: CubeFolder, val: c.npy", FROZEN)
    assert said(found) == [
        "warning: a.npy, b.npy: bands 3-4 are constant or without data",
        "warning: a.npy, b.npy: repeated bands 7 (as 2)",
    ]


def test_values_that_are_not_finite_or_at_full_scale_are_counted(folder: Path) -> None:
    cube = cube_of((20, 20, 5)).astype("f4")
    cube[3, 4], cube[5, 6, 2], cube[7, 8, 1] = np.nan, np.nan, np.inf
    np.save("a.npy", cube)
    bright = cube_of((20, 20, 5))
    bright[:2, :3, 4] = 4095
    np.save("b.npy", bright)
    assert said(checked("type: CubeFiles, train: [a.npy]", FROZEN), "warning", "note")[:1] == [
        "warning: a.npy: 2 pixels have bands that are not finite (1 NaN, 1 infinite values)"
    ]
    found = checked("type: CubeFiles, train: [b.npy]", FROZEN)
    assert said(found) == ["warning: b.npy: 6 pixels at full scale, 4095 (1.50%)"]
    assert said(checked("type: CubeFiles, train: [c.npy]", FROZEN)) == [
        "error: CubeFiles: no file matches c.npy in .; did you mean `b.npy`?"
    ]


@pytest.mark.parametrize(
    ("dtype", "fill", "share", "words"),
    [
        ("f4", -3.4028234663852886e38, 30, "-3.4028235e+38"),
        ("f4", 3.4028234663852886e38, 30, "3.4028235e+38"),
        ("f4", 1e20, 3, "1e+20"),
        ("f8", 1e20, 0.5, "1e+20"),
        ("i2", -9999, 30, "-9999"),
        ("f4", -9999, 3, "-9999"),
        ("u2", 0, 3, "0"),
        ("u2", 65535, 3, "65535"),
    ],
)
def test_a_number_in_every_band_of_many_pixels_may_stand_for_none(
    folder: Path, dtype: str, fill: float, share: float, words: str
) -> None:
    """And is not taken for saturation; nor is it told where the file declares it or the graph marks it."""
    cube = cube_of((40, 40, 5)).astype(dtype)
    count = int(share * 16)
    cube.reshape(-1, 5)[:count] = fill
    np.save("a.npy", cube)
    found = checked("type: CubeFiles, train: [a.npy]", FROZEN)
    assert said(found) == [f"warning: a.npy: {count} pixels hold {words} in every band ({share:.2f}%)"]
    help = f"if that stands for no data, add NoDataMask {{nodata: {words}}}"
    assert [finding.help for finding in found.findings if finding.severity == "warning"] == [help]
    assert found.survey.images["a.npy"].tally.saturated_pixels == 0
    masked = FROZEN.replace("nodes:", f"nodes:\n  filled: {{type: NoDataMask, nodata: {words}}}")
    assert masked != FROZEN
    assert said(checked("type: CubeFiles, train: [a.npy]", masked)) == []
    write_envi(Path("b.hdr"), cube, **{"data ignore value": words})
    assert said(checked("type: CubeFiles, train: [b.hdr]", FROZEN)) == []


def test_few_flat_pixels_and_those_of_a_converter_at_its_most_are_no_numbers_for_none(folder: Path) -> None:
    cube = cube_of((40, 40, 5))
    cube[0, :15] = 0
    cube[1:, :, :4] = np.maximum(cube[1:, :, :4], 1)
    cube[1, :, :4] = 7
    np.save("a.npy", cube)
    assert said(checked("type: CubeFiles, train: [a.npy]", FROZEN)) == []
    cube[2, :20] = 4095
    np.save("a.npy", cube)
    found = checked("type: CubeFiles, train: [a.npy]", FROZEN)
    assert said(found) == ["warning: a.npy: 20 pixels at full scale, 4095 (1.25%)"]


def test_the_same_number_in_several_files_is_one_finding(folder: Path) -> None:
    for name in "abc":
        cube = cube_of((20, 20, 5), seed=ord(name)).astype("i2")
        cube[:4] = -9999 if name != "c" else cube[:4]
        np.save(f"{name}.npy", cube)
    assert said(checked("type: CubeFiles, train: [a.npy, b.npy, c.npy]", FROZEN))[0] == (
        "warning: a.npy, b.npy: 160 pixels hold -9999 in every band (20.00%)"
    )


def test_the_number_for_no_data_in_some_bands_is_told_from_values(folder: Path) -> None:
    cube = cube_of((9, 9, 5)).astype("f4")
    cube[..., 4] = -9999
    cube[0] = -9999
    write_tiff(folder / "a.tif", cube, nodata=-9999)
    found = checked("type: CubeFiles, train: a.tif", FROZEN)
    assert said(found) == [
        "warning: a.tif: 72 values are -9999, the file's number for no data, in pixels that have data in other bands",
        "warning: a.tif: band 5 is constant or without data",
    ]
    (image,) = found.survey.images.values()
    assert (image.tally.minimum, image.tally.empty_pixels) == (cube[1:, :, :4].min(), 9)


def test_a_file_of_another_scale_or_light_stands_out(folder: Path) -> None:
    for name in "abcd":
        np.save(f"{name}.npy", cube_of((9, 9, 5), seed=ord(name)).astype("f4") + 100)
    np.save("d.npy", cube_of((9, 9, 5)).astype("f4") / 1000)
    bright = (cube_of((9, 9, 5)).astype("f4") + 100) * 3
    np.save("e.npy", bright)
    found = checked("type: CubeFolder, val: e.npy", FROZEN)
    assert [text.partition(",")[0] for text in said(found)] == [
        "warning: d.npy ranges up to 0.119",
        f"warning: e.npy has the mean {bright.mean():.4g}",
    ]


def test_shifted_and_silent_wavelengths_are_told(folder: Path) -> None:
    for name, shift in {"a": 0.0, "b": 0.0, "c": 1.5}.items():
        centers = [center + shift for center in centers_of(5)]
        write_envi(
            folder / f"{name}.hdr", cube_of(seed=ord(name)), wavelength=centers, **{"wavelength units": "nm"}
        )
    write_envi(folder / "d.hdr", cube_of(seed=9))
    found = checked("type: CubeFolder", FROZEN)
    assert said(found, "warning", "note")[0] == ("warning: d.hdr does not say wavelengths, 3 others do")
    assert "note: c.hdr is shifted by up to 1.5 nm against a.hdr; less than half a band is accepted" in said(
        found, "note"
    )


class Given(GraphDataModule):
    """Samples in memory, as a user's own module has them."""

    batch_size: int = Param(4, "images in a batch", ge=1)
    stages: dict[str, Any] = {}

    def samples(self, stage: Stage) -> Any:
        return self.stages.get(stage)


class Loaders(LightningDataModule):
    """A module with a loader alone."""

    def train_dataloader(self) -> Any:
        cubes, masks = scene(2)
        return [{"cube": torch.from_numpy(cubes), "mask": torch.from_numpy(masks)}]


class Broken(list[Any]):
    """Samples that cannot be read."""

    def __getitem__(self, index: Any) -> Any:
        raise KeyError("no such frame")


def test_any_data_module_is_read_by_its_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    cubes, masks = scene(3)
    samples = [
        {"cube": torch.from_numpy(cube), "mask": torch.from_numpy(mask)}
        for cube, mask in zip(cubes, masks, strict=True)
    ]
    module = Given()
    module.stages = {"train": samples[:2], "val": samples[1:]}
    found = checked_module(monkeypatch, module)
    assert said(found) == ["warning: val shares 144 pixels with train, of train image 2"]
    assert list(found.survey.images) == ["train image 1", "train image 2", "val image 2"]
    loaded = checked_module(monkeypatch, Loaders())
    assert said(loaded) == []
    assert loaded.survey.balances["train"].anomalies == int(masks[:2].sum())


@pytest.mark.parametrize(
    ("samples", "fact"),
    [
        (Broken([1]), "the data cannot be loaded: KeyError: 'no such frame'"),
        ([(1, 2)], "a sample is a tuple; it is a dict with `cube` [H,W,C]"),
        ([{"image": 1}], "a sample of `train` gave a batch without `cube` (or `x`); it holds nothing"),
        (
            [{"cube": torch.ones(4, 4, 6), "mask": torch.ones(4, 5)}],
            "a sample of `train` gave a `mask` of shape [1, 4, 5]; [1, 4, 4] goes with the cube of this batch",
        ),
    ],
)
def test_what_a_module_raises_or_gives_wrongly_is_an_error_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, samples: Any, fact: str
) -> None:
    module = Given()
    module.stages = {"train": samples}
    assert said(checked_module(monkeypatch, module), "error") == [f"error: {fact}"]


def test_a_file_that_cannot_be_read_does_not_hide_the_others(folder: Path) -> None:
    write_scenes(folder, 4)
    module = "type: CubeFolder, split_seed: 3"
    names = {sample.image for sample in checked(module).survey.of("train")}
    spoiled = sorted(names)[0]
    folder_data = CubeFolder(split_seed=3).samples("train")
    assert folder_data is not None
    data = Path(spoiled).with_suffix(".img")
    data.write_bytes(data.read_bytes()[:-7])
    found = checked(module)
    assert said(found, "error")[0].startswith(f"error: {data} is cut short")
