"""What `--skip-existing` leaves as it is: outputs that this model made with these thresholds, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Cuvisc
from format_files import cube_of
from small_artifacts import SmallArtifact, write_artifact

SKIPPED = (0, "0 predicted, 2 skipped, 0 failed\n", "")


def _contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("out").iterdir()}


@pytest.fixture
def two_cubes() -> None:
    for name in "ab":
        np.save(f"{name}.npy", cube_of())


@pytest.mark.parametrize("form", ["npz", "envi", "geotiff"])
def test_outputs_of_other_thresholds_and_models_are_made_anew(
    cuvisc: Cuvisc, small: SmallArtifact, two_cubes: None, form: str
) -> None:
    asked = ("a.npy", "b.npy", "-o", "out", "--format", form)
    assert cuvisc("predict", "artifact", *asked).code == 0
    plain = _contents()
    assert cuvisc("predict", "artifact", *asked, "--skip-existing") == SKIPPED
    stricter = (*asked, "--skip-existing", "--threshold", "decider=400")
    code, out, err = cuvisc("predict", "artifact", *stricter)
    assert (code, out.splitlines()[-1]) == (0, "2 predicted, 0 skipped, 0 failed")
    assert err == "warning: outputs of 2 cubes are made anew: 2 with other thresholds\n"
    assert cuvisc("predict", "artifact", *stricter[:-1], "decider.decisions=400.0") == SKIPPED
    err = cuvisc("predict", "artifact", *asked, "--skip-existing").err
    assert err == "warning: outputs of 2 cubes are made anew: 2 with other thresholds\n"
    assert _contents() == plain
    small.replace("model.onnx", (small.folder / "model.onnx").read_bytes() + b"\x32\x00")
    err = cuvisc("predict", "artifact", *asked, "--skip-existing").err
    assert err == "warning: outputs of 2 cubes are made anew: 2 of another model\n"
    assert cuvisc("predict", "artifact", *asked, "--skip-existing") == SKIPPED


def test_arrays_without_notes_are_told_by_their_names(
    cuvisc: Cuvisc, small: SmallArtifact, two_cubes: None, tmp_path: Path
) -> None:
    """As versions wrote them that kept no notes: of this model where there are all of its outputs and no other."""
    write_artifact(tmp_path / "scorer", decide=False)
    assert cuvisc("predict", "artifact", "a.npy", "b.npy", "-o", "out").code == 0
    assert cuvisc("predict", "scorer", "a.npy", "-o", "out", "--force").code == 0
    for path in Path("out").iterdir():
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = b""
    err = cuvisc("predict", "artifact", "a.npy", "b.npy", "-o", "out", "--skip-existing").err
    assert err == "warning: outputs of 1 cube are made anew: 1 of another model\n"
    assert cuvisc("predict", "artifact", "a.npy", "b.npy", "-o", "out", "--skip-existing") == SKIPPED


def test_what_no_prediction_wrote_is_replaced_by_force_alone(
    cuvisc: Cuvisc, small: SmallArtifact, two_cubes: None
) -> None:
    Path("out").mkdir()
    np.savez("out/a.npz", cube=cube_of())
    asked = ("predict", "artifact", "a.npy", "b.npy", "-o", "out", "--skip-existing")
    before = _contents()
    refusal = "error: out/a.npz is no output of `cuvisc predict`; give --force to replace it\n"
    assert cuvisc(*asked) == (2, "", refusal)
    assert _contents() == before
    found = cuvisc(*asked, "--force")
    assert (found.code, found.err) == (0, "warning: outputs of 1 cube are made anew: 1 of another model\n")


def test_notes_of_a_cube_that_was_predicted_are_not_handed_on(
    cuvisc: Cuvisc, small: SmallArtifact, tmp_path: Path
) -> None:
    """A map that is the input of another model says which threshold made it; what is made of it does not."""
    np.save("a.npy", cube_of())
    for form, suffix in (("geotiff", "tif"), ("envi", "hdr")):
        given = ("-o", form, "--format", form, "--threshold", "decider=400")
        assert cuvisc("predict", "artifact", "a.npy", *given).code == 0
        write_artifact(tmp_path / f"{form}_scorer", bands=1, dtype="float32", decide=False)
        scores = f"{form}/a_rx.scores.{suffix}"
        again = ("predict", f"{form}_scorer", scores, "-o", f"{form}_again.{suffix}")
        assert cuvisc(*again).code == 0
        assert cuvisc(*again, "--skip-existing") == (0, "0 predicted, 1 skipped, 0 failed\n", "")
