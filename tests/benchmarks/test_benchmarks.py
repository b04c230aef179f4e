"""The benchmarks run, and every contender does the work it is timed for. Nothing here is about time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers, scaling, suite
from benchmarks.__main__ import main
from benchmarks.files import predict_file
from benchmarks.fitting import fit_work
from benchmarks.measure import Work, measure, relative_error
from benchmarks.page import text, write_page
from benchmarks.scoring import SKLEARN_ONNX, full_work, pca_work
from benchmarks.targets import outcomes


def errors(work: Work) -> dict[str, float]:
    return {timing.name: timing.error for timing in measure(work, 1) if timing.error is not None}


@pytest.mark.parametrize("make", [pca_work, full_work])
def test_every_contender_scores_as_float64_does(make: object, tmp_path: Path) -> None:
    work = make(24, 9, tmp_path, compiled=False)  # type: ignore[operator]
    found = errors(work)
    assert set(found) - {SKLEARN_ONNX} == {
        "cuvisc",
        "cuvisc, a cube of uint16",
        "numpy, one affine map in strips",
        "ONNX Runtime, cuvisc's program before any pass",
        "ONNX Runtime, as specified",
        "torch eager, as specified",
        "scikit-learn",
        "Spectral Python",
    }
    assert max(found.values()) < 1e-4


def test_every_fit_gives_the_scores_of_two_passes_in_float64() -> None:
    found = errors(fit_work(2, 24, 9))
    assert found["cuvisc, one pass"] < 1e-10
    assert max(found.values()) < 1e-3


def test_predict_on_a_file_scores_as_float64_does(tmp_path: Path) -> None:
    found = predict_file("rx", 9, "uint16", 0.1, tmp_path, rounds=1)
    assert found["error"] < 1e-4
    assert found["peak_megabytes"] > 0


def test_peers_score_and_fit_as_float64_does(tmp_path: Path) -> None:
    rows = peers.compare(tmp_path, 1, ((2, 24, 9),))
    assert [row["kind"] for row in rows] == ["fit", "pca", "rx"]
    assert max(error for row in rows for error in row["errors"].values()) < 1e-2
    assert max(row["errors"]["cuvisc"] for row in rows) < 1e-4


def test_a_contender_that_is_not_installed_is_named_and_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    work = pca_work(24, 9, tmp_path, compiled=False)
    found = suite._timed(work, 1, tmp_path)
    (absent,) = (timing for timing in found["timings"] if timing["name"] == SKLEARN_ONNX)
    assert absent["seconds"] == []
    assert absent["note"] == "absent: import of skl2onnx halted; None in sys.modules"
    shown = text({"machine": {}, "works": {"pca-9": found}})
    assert f"| {SKLEARN_ONNX} | – | – | – | {absent['note']} |" in shown


def test_a_wrong_contender_stops_the_run(tmp_path: Path) -> None:
    work = Work("wrong", "wrong work", 3, 1, np.array([1.0, 2.0, 3.0]))
    work.add("cuvisc", lambda: np.array([1.0, 2.0, 3.3]))
    with pytest.raises(ValueError, match=r"^cuvisc is 1\.0e-01 from the float64 result of wrong work$"):
        suite._timed(work, 1, tmp_path)


def test_errors_are_relative_to_the_value_or_the_median() -> None:
    assert relative_error(np.array([1.1, 2.0, 4.0]), np.array([1.0, 2.0, 4.0])) == pytest.approx(0.05)
    assert relative_error(np.array([1.0, 2.0, 5.0]), np.array([1.0, 2.0, 4.0])) == pytest.approx(0.25)


def test_results_become_json_a_page_and_targets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    names = ("rx-61", "fit-61", "peers", "epochs")
    chosen = [word for name in names for word in ("--only", name)]
    assert main(["--quick", *chosen, "--json", "--page", str(tmp_path)]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results["works"]) == ["rx-61", "fit-61"]
    wanted = [(outcome.what, outcome.wanted) for outcome in outcomes(results)]
    assert ("faster than torch eager, as specified", 9) in wanted
    assert ("of a bare float32 X^T X", 0.85) in wanted
    assert ("faster than the best simple version", 1.0) in wanted
    assert ("faster with the cache", 2.0) in wanted
    page = (tmp_path / "benchmarks.md").read_text()
    assert "(benchmarks/rx-61.svg)" in page
    assert (tmp_path / "benchmarks" / "fit-61.svg").is_file()
    assert "## Targets" not in page
    assert "## Targets" in text({**results, "quick": False})
    again = tmp_path / "again"
    again.mkdir()
    write_page(results, again)
    assert (again / "benchmarks" / "rx-61.svg").read_bytes() == (
        tmp_path / "benchmarks" / "rx-61.svg"
    ).read_bytes()


def test_scaling_says_how_much_is_computed() -> None:
    rows = scaling.by_nodes(1, (1, 3), side=16)
    assert [(row["nodes"], row["operations"], row["passes over the data"]) for row in rows] == [
        (3, 2, 1),
        (5, 2, 1),
    ]
    assert scaling.growth([{"n": 1, "s": 2.0}, {"n": 10, "s": 20.0}], "n", "s") == pytest.approx(1.0)


def test_unknown_names_are_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--only", "speed"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "python -m benchmarks: error: --only speed; there are "
        "pca-61, pca-200, rx-61, rx-200, fit-61, fit-200, peers, epochs, files, startup, scaling"
    )
