"""Which inputs are predicted, and what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Cuvisc
from format_files import (
    cube_of,
    read_envi,
    write_envi,
    write_tiff,
)
from small_artifacts import SmallArtifact, write_artifact

from cuvisc.runtime.inputs import find_inputs


def test_what_was_predicted_before_is_no_input(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    """Outputs written beside their cubes are left out when the folder is predicted again."""
    Path("scenes").mkdir()
    write_tiff(Path("scenes/a.tif"), cube_of())
    for _ in range(2):
        found = cuvisc("predict", "artifact", "scenes", "-o", "scenes", "--force")
        assert (found.code, found.err) == (0, "")
        assert found.out.splitlines() == [
            "scenes/a.tif -> scenes/a_rx.scores.tif, scenes/a_decider.decisions.tif",
            "1 predicted, 0 skipped, 0 failed",
        ]


def test_arrays_that_were_predicted_before_are_no_input(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    """Nor is `.npz` that holds nothing but outputs; what has other arrays is a cube, as is what cannot be read."""
    Path("scenes").mkdir()
    write_tiff(Path("scenes/a.tif"), cube_of())
    for _ in range(2):
        found = cuvisc("predict", "artifact", "scenes", "-o", "scenes", "--format", "npz", "--force")
        assert (found.code, found.err) == (0, "")
        assert found.out.splitlines() == [
            "scenes/a.tif -> scenes/a.npz",
            "1 predicted, 0 skipped, 0 failed",
        ]
    with np.load("scenes/a.npz") as written:
        outputs = dict(written)
    np.savez("scenes/b.npz", cube=cube_of(), **outputs)
    Path("scenes/c.npz").write_bytes(b"PK")
    cubes = find_inputs(["scenes"], outputs=("rx.scores", "decider.decisions")).cubes
    assert [cube.path.name for cube in cubes] == ["a.tif", "b.npz", "c.npz"]


def test_folders_and_patterns_give_a_file_a_cube_in_its_own_format(
    cuvisc: Cuvisc, small: SmallArtifact
) -> None:
    Path("in").mkdir()
    write_tiff(Path("in/a.tif"), cube_of())
    write_tiff(Path("in/a_mask.tif"), cube_of((7, 9, 1), "u1"))
    write_envi(Path("in/b.hdr"), cube_of())
    np.savez("in/c.npz", cube=cube_of())
    Path("in/notes.txt").write_text("not a cube")
    found = cuvisc("predict", "artifact", "in", "-o", "out")
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines() == [
        "in/a.tif -> out/a_rx.scores.tif, out/a_decider.decisions.tif",
        "in/b.hdr -> out/b_rx.scores.hdr, out/b_decider.decisions.hdr",
        "in/c.npz -> out/c.npz",
        "3 predicted, 0 skipped, 0 failed",
    ]
    found = cuvisc("predict", "artifact", "in/[ab].*", "in/c.npz", "-o", "flat", "--format", "npz", "--json")
    written = [Path(one["output"]).name for one in json.loads(found.out)["results"]]
    assert written == ["a.npz", "b.npz", "c.npz"]


def test_one_bad_cube_is_reported_and_the_others_are_done(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    Path("in").mkdir()
    for name in "abc":
        np.save(f"in/{name}.npy", cube_of())
    Path("in/b.npy").write_bytes(b"nonsense")
    code, out, err = cuvisc("predict", "artifact", "in", "-o", "out")
    assert code == 3
    assert out == "in/a.npy -> out/a.npz\nin/c.npy -> out/c.npz\n2 predicted, 0 skipped, 1 failed\n"
    assert err == (
        "error: in/b.npy is damaged: its header is not that of an array\n"
        "error: 1 of 3 cubes could not be predicted\n"
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.npz", "c.npz"]
    np.save("in/b.npy", cube_of())
    assert cuvisc("predict", "artifact", "in", "-o", "out") == (
        2,
        "",
        "error: out/a.npz exists; give --force to replace it\n",
    )
    found = cuvisc("predict", "artifact", "in", "-o", "out", "--skip-existing")
    assert found == (0, "in/b.npy -> out/b.npz\n1 predicted, 2 skipped, 0 failed\n", "")


def test_what_is_odd_about_one_of_several_cubes_names_it(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    Path("in").mkdir()
    for name in "ab":
        cube = small.mean + np.zeros((6, 8, 5), "f4")
        if name == "b":
            cube[2, 3, 4], cube[5, 0, 0] = np.nan, np.inf
        np.save(f"in/{name}.npy", cube.astype("f4"))
    write_tiff(Path("in/c.tif"), _with_holes(), nodata=-9999)
    fate = "they have no score and are never decided for"
    assert cuvisc("predict", "artifact", "in", "-o", "out").err == (
        f"warning: in/b.npy: 2 of 48 pixels have a band that is NaN or infinite; {fate}\n"
        f"warning: in/c.tif: 2 of 63 pixels have no data; {fate}\n"
        "warning: in/c.tif: 1 of 63 pixels have no data in some bands; the model saw the number that stands for none\n"
    )
    Path("in/a.npy").unlink()
    Path("in/c.tif").unlink()
    assert cuvisc("predict", "artifact", "in", "-o", "one").err == (
        f"warning: 2 of 48 pixels have a band that is NaN or infinite; {fate}\n"
    )


def _with_holes() -> np.ndarray:
    cube = cube_of(dtype="i2")
    cube[2, 3], cube[6, 8], cube[0, 0, 1] = -9999, -9999, -9999
    return cube


def test_what_a_killed_run_left_of_a_cube_is_made_whole(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    for name in ("a", "b"):
        np.save(f"{name}.npy", cube_of())
    again = ("predict", "artifact", "a.npy", "b.npy", "-o", "out", "--format", "envi")
    assert cuvisc(*again).code == 0
    whole = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    Path("out/b_rx.scores.img").unlink()
    Path("out/b_rx.scores.hdr").write_text("half")
    assert cuvisc(*again).code == 2
    found = cuvisc(*again, "--skip-existing")
    assert (found.code, found.out.splitlines()[-1]) == (0, "1 predicted, 1 skipped, 0 failed")
    assert found.err == "warning: outputs of 1 cube are made anew: 1 lacking some\n"
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == whole


@pytest.mark.parametrize(
    ("args", "code", "fact"),
    [
        (
            ["a.npy", "b.npy", "-o", "x.npz"],
            2,
            "x.npz is a file, for the outputs of one cube; name a folder for several",
        ),
        (
            ["a.npy", "in/a.npy", "-o", "x"],
            2,
            "a.npy and in/a.npy would both be written to x/a.npz; run them apart",
        ),
        (["a.npy", "-o", "x", "--format", "png"], 2, "--format is one of npz, geotiff, envi, got 'png'"),
        (
            ["a.npy", "-o", "x", "--resample", "--ignore-wavelengths"],
            2,
            "--resample and --ignore-wavelengths exclude each other",
        ),
        (["empty", "-o", "x"], 3, "empty is a folder without cubes"),
        (["*.tif", "-o", "x"], 3, "no cube matches *.tif"),
        (["none.npy", "-o", "x.npz"], 3, "none.npy does not exist"),
        (["a.tif", "-o", "a.tif", "--force"], 3, "a.tif does not exist"),
        (["many.npy", "-o", "x.tif"], 2, "many.npy holds 2 images, a raster file one; write .npz instead"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    cuvisc: Cuvisc, small: SmallArtifact, args: list[str], code: int, fact: str
) -> None:
    Path("in").mkdir()
    Path("empty").mkdir()
    for name in ("a.npy", "b.npy", "in/a.npy"):
        np.save(name, cube_of())
    np.save("many.npy", cube_of((2, 3, 4, 5)))
    before = sorted(Path().rglob("*"))
    assert cuvisc("predict", "artifact", *args) == (code, "", f"error: {fact}\n")
    assert [path for path in sorted(Path().rglob("*")) if path.name != "x"] == before


def test_the_input_is_never_replaced(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact", decide=False)
    write_tiff(Path("a.tif"), cube_of())
    write_envi(Path("b.hdr"), cube_of())
    assert cuvisc("predict", "artifact", "a.tif", "-o", "a.tif", "--force") == (
        2,
        "",
        "error: a.tif is the input; name another output\n",
    )
    assert cuvisc("predict", "artifact", "b.hdr", "-o", "b.img", "--force").code == 2
    assert read_envi("b.hdr")[0].shape == (7, 9, 5)


def test_a_file_is_no_folder_for_outputs(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    np.save("a.npy", cube_of())
    Path("plain").touch()
    assert cuvisc("predict", "artifact", "a.npy", "-o", "plain") == (
        2,
        "",
        "error: plain is a file; name a folder, or a file that ends in .npz, .tif, .hdr\n",
    )


def test_a_file_is_no_artifact_and_its_folder_only_where_it_is_one(
    cuvisc: Cuvisc, small: SmallArtifact
) -> None:
    np.save("a.npy", cube_of())
    Path("other").mkdir()
    Path("other/rx.yaml").touch()
    for name, hint in (("other/rx.yaml", ""), ("artifact/model.onnx", ": artifact")):
        assert cuvisc("predict", name, "a.npy", "-o", "x.npz") == (
            3,
            "",
            f"error: {name} is a file; name the folder that `cuvisc export` wrote{hint}\n",
        )


def test_two_axes_are_spectra(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    np.save("a.npy", np.zeros((4, 9)))
    assert cuvisc("predict", "artifact", "a.npy", "-o", "x.npz") == (
        3,
        "",
        "error: a.npy has 9 bands, its shape is (4, 9), read as spectra [N,C]; `small` was trained on 5\n",
    )
