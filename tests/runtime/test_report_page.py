"""The page of a run: its numbers are those of an independent computation, nothing is fetched, nothing named can run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from memory_data import ANOMALY, FROZEN, MemoryScene, scene
from report_pages import Page
from sklearn import metrics

import cuvisc
from cuvisc import TrainingConfig
from cuvisc.runtime.report.evidence import Evidence
from cuvisc.runtime.report.exported import leave_export
from cuvisc.runtime.report.page import SECTIONS, make_page
from cuvisc.runtime.run_folder import load_module
from cuvisc.runtime.training import train
from cuvisc.schema.errors import DataError

FIGURE = "visualization_leaves:\n  heat: {type: AnomalyHeatmap, parent: rx}\n"
HOSTILE = "<script>alert('x')</script>\"&amp;\u202e"


class Split(MemoryScene):
    """Three images to train on; two others, and one of the three, to validate on, with names."""

    def samples(self, stage: str) -> Any:
        whole = super().samples("train")
        chosen = {"train": whole[:3], "val": whole[2:]}.get(stage)
        return chosen and [{**sample, "name": f"{HOSTILE}{i}"} for i, sample in enumerate(chosen)]


class Unmasked(MemoryScene):
    """The same without masks."""

    def samples(self, stage: str) -> Any:
        return [{"cube": sample["cube"]} for sample in super().samples(stage)]


def run(folder: Path, text: str = ANOMALY, data: Any = None, epochs: int = 2, **trainer: Any) -> Path:
    given = {"max_epochs": epochs, "accelerator": "cpu", "enable_checkpointing": False, **trainer}
    config = TrainingConfig(trainer=given, optimizer={"lr": 0.003})
    return train(typed(text), data or MemoryScene(), config, run_dir=folder).folder


def hard() -> tuple[np.ndarray, np.ndarray]:
    """The scene with some normal pixels in the mask, so that no detector is perfect."""
    cubes, masks = scene()
    masks[np.random.default_rng(1).random(masks.shape) < 0.04] = 1
    return cubes, masks


def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("report") / "run", ANOMALY + FIGURE, Split(*hard()), epochs=3)


def validated(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, decisions and mask of the validation images, by the trained module itself."""
    cubes, masks = hard()
    with torch.no_grad():
        values = load_module(folder)(torch.from_numpy(cubes[2:]))
    return (
        values["head.logits"].double().numpy().ravel(),
        values["decider.decisions"].numpy().ravel(),
        masks[2:].ravel() > 0,
    )


def test_the_numbers_are_those_of_scikit_learn(split: Path) -> None:
    scores, decided, mask = validated(split)
    tn, fp, fn, tp = metrics.confusion_matrix(mask, decided).ravel().tolist()
    top, quality = page(split).says("header"), page(split).says("quality")
    for value in (
        metrics.roc_auc_score(mask, scores),
        metrics.average_precision_score(mask, scores),
        metrics.precision_score(mask, decided),
        metrics.recall_score(mask, decided),
        metrics.f1_score(mask, decided),
    ):
        assert f" {value:.3f} " in top
    assert f"Finds {tp} of {tp + fn} anomalous pixels" in top
    assert f"{fp} false alarm" in top
    assert f"anomalous (mask) {tp} {fn} {tp + fn} " in quality
    assert f"normal {fp} {tn} {fp + tn} " in quality
    evidence = Evidence.read(split / "report.npz")
    x, y = evidence.arrays["curves/roc"]
    assert metrics.auc(x, y) == pytest.approx(metrics.roc_auc_score(mask, scores), abs=1e-9)
    counts = evidence.arrays["histogram/normal"].sum() + evidence.arrays["histogram/anomalous"].sum()
    assert counts + evidence.arrays["histogram/beyond"].sum() == mask.size


def test_every_image_has_its_own_numbers(split: Path) -> None:
    scores, decided, mask = (values.reshape(3, -1) for values in validated(split))
    files = Evidence.read(split / "report.npz").facts["files"]
    assert [file["anomalies"] for file in files] == mask.sum(axis=1).tolist()
    for file, s, d, m in zip(files, scores, decided, mask, strict=True):
        assert file["auroc"] == pytest.approx(metrics.roc_auc_score(m, s))
        assert file["recall"] == pytest.approx(metrics.recall_score(m, d))


def test_spectra_are_means_and_percentiles_of_every_outcome(split: Path) -> None:
    _, decided, mask = validated(split)
    pixels = scene()[0][2:].reshape(mask.size, -1).astype(np.float64)
    evidence = Evidence.read(split / "report.npz")
    chosen = pixels[~decided & ~mask]
    assert evidence.facts["spectra"]["1"] == len(chosen)
    mean, low, high = evidence.arrays["spectra/1"]
    np.testing.assert_allclose(mean, chosen.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose([low, high], np.percentile(chosen, (5, 95), axis=0), rtol=1e-6)


def test_the_pictures_are_the_validation_image(split: Path) -> None:
    _, decided, mask = validated(split)
    arrays = Evidence.read(split / "report.npz").arrays
    np.testing.assert_array_equal(arrays["picture/mask"], mask.reshape(3, 12, 12)[0])
    np.testing.assert_array_equal(arrays["picture/decisions"], decided.reshape(3, 12, 12)[0])
    assert arrays["picture/rgb"].shape == (12, 12, 3)


def test_images_that_were_trained_on_are_counted(split: Path, tmp_path: Path) -> None:
    assert "1 of 3 validation images are also among the training images." in page(split).says("header")
    same = page(run(tmp_path / "same"))
    assert "All 5 validation images are also training images." in same.says("header")


def test_nothing_is_fetched_and_nothing_runs(split: Path) -> None:
    found = page(split)
    assert found.all("script") == found.all("iframe") == found.all("link") == []
    assert {tag for tag, _ in found.elements if tag in ("object", "embed", "form", "base")} == set()
    for address in found.addresses():
        assert address.startswith(("#", "data:image/png;base64,")), address[:80]
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    policy = next(a["content"] for a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_section_is_there_and_named(split: Path) -> None:
    found = page(split)
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", found.text)
    assert headings == ["Pictures", *(title for _, title, _ in SECTIONS)]
    assert [a["href"] for a in found.all("a")][1:] == [f"#{name}" for name, _, _ in SECTIONS]
    assert len(found.all("h1")) == 1
    assert found.all("html") == [{"lang": "en"}]


def test_other_images_are_shown_small_the_worst_first(split: Path) -> None:
    evidence = Evidence.read(split / "report.npz")
    mask, decided = hard()[1][2:], None
    files, shown = evidence.facts["files"], evidence.facts["samples"]
    main = evidence.facts["sample"]["index"]
    assert sorted([*shown, main]) == list(range(len(files)))
    wrong = [files[i]["confusion"]["misses"] + files[i]["confusion"]["alarms"] for i in shown]
    assert wrong == sorted(wrong, reverse=True)
    for number, index in enumerate(shown):
        planes = evidence.group(f"sample/{number}")
        np.testing.assert_array_equal(planes["mask"], mask[index] > 0)
        decided = planes["decisions"]
        assert int((decided & planes["mask"]).sum()) == files[index]["confusion"]["hits"]
        assert (planes["scene"].shape, planes["scores"].shape) == ((12, 12, 3), (12, 12))
    words = page(split).says("quality")
    assert "More validation images, most wrong pixels first" in words
    first = files[shown[0]]
    assert f"{first['confusion']['hits']} of {first['anomalies']} anomalous pixels found" in words


def test_images_of_different_sizes_are_drawn_to_one_scale(tmp_path: Path) -> None:
    class Uneven(Split):
        def samples(self, stage: str) -> Any:
            found = super().samples(stage)
            if stage != "val":
                return found
            cut = {key: found[1][key][:, :5] for key in ("cube", "mask")}
            return [found[0], {**found[1], **cut}, found[2]]

    folder = run(tmp_path / "run", data=Uneven(*hard(), batch_size=1), epochs=1)
    below = (folder / "report.html").read_text().split('class="samples"')[1].split("<h3>")[0]
    assert sorted(set(re.findall(r'width="(\d+)" height="(\d+)" class="pixels"', below))) == [
        ("12", "12"),
        ("5", "12"),
    ]
    assert set(re.findall(r'viewBox="([\d ]+)" role="img"', below)) == {"0 0 12 12"}


def test_pictures_and_tables_can_be_heard(split: Path) -> None:
    found = page(split)
    assert all(a.get("aria-label") or a.get("role") != "img" for a in found.all("svg"))
    assert all(a.get("alt") for a in found.all("img"))
    assert {a.get("scope") for a in found.all("th")} == {"row", "col"}
    assert len(found.all("caption")) == len(found.all("table"))


def test_names_from_data_and_spec_are_text(split: Path, tmp_path: Path) -> None:
    assert "<script>" not in page(split).text
    assert "\u202e" not in page(split).text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;amp;\\u202e0" in page(split).text
    named = ANOMALY.replace("name: small", 'name: "<script>alert(1)</script>"')
    hostile = page(run(tmp_path / "run", named, epochs=0))
    assert hostile.all("script") == []
    assert "<script>alert(1)</script>" in hostile.says("header")


def test_losses_and_metrics_are_drawn(split: Path) -> None:
    words = page(split).says("training")
    for name in ("Loss, total", "Loss: bce", "Loss: orthogonality", "anomaly_auroc", "Learning rate"):
        assert name in words


def test_graph_plan_and_spec_are_shown(split: Path) -> None:
    found = page(split)
    assert "float32[B,H,W,3]" in found.says("graph")
    assert "measures extrema, moments of input.cube; solves normalizer, pca, rx" in found.says("phase-1")
    assert "Variance explained by the components of pca" in found.says("phase-1")
    assert "type: TrainablePCA" in found.says("spec")
    assert "heat, val, step" in found.says("figures")
    facts = json.loads((split / "run.json").read_text())
    assert facts["spec_sha256"] in found.says("environment")
    assert facts["versions"]["torch"] in found.says("environment")


def test_a_graph_without_loss_mask_or_decision_says_so(tmp_path: Path) -> None:
    found = page(run(tmp_path / "run", FROZEN, Unmasked(), epochs=0))
    assert "Scores 720 pixels; the validation data has no mask, so nobody can say how well." in found.says(
        "header"
    )
    assert found.says("quality").count("Not shown: the validation data has no mask.") == 2
    assert "Not shown: nothing in the graph decides: it has no threshold." in found.says("quality")
    assert "Phase 2 moved nothing (statistics only); validated once." in found.says("training")
    assert "Not exported: the run folder holds no export.json" in found.says("parity")
    assert "The spec has no visualization leaves." in found.says("figures")


def test_a_metric_with_a_threshold_decides_where_no_node_does(tmp_path: Path) -> None:
    text = FROZEN.replace(
        "scores: {type: ScoreStatisticsMetric, parent: rx}",
        "found: {type: AnomalyDetectionMetrics, parent: rx, threshold_multiplier: 2.0}",
    )
    folder = run(tmp_path / "run", text, epochs=0)
    main = Evidence.read(folder / "report.npz").facts["main"]
    logged = {
        entry["name"].rpartition("/")[2]: entry["value"]
        for entry in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    }
    for name in ("auroc", "average_precision", "precision", "recall", "f1", "iou"):
        assert main[name] == pytest.approx(logged[f"anomaly_{name}"], abs=1e-6)
    assert "set by metric found: mean + 2 std" in page(folder).says("header")


def test_outputs_of_several_bands_are_shown_in_false_colours(tmp_path: Path) -> None:
    text = "nodes:\n  normalizer: {type: MinMaxNormalizer}\n  pca: {type: TrainablePCA, n_components: 4}\n"
    found = page(run(tmp_path / "run", text, epochs=0))
    assert "there is no detector to judge" in found.says("header")
    assert "pca.scores bands 1 / 2 / 3 of 4 as red, green, blue" in found.says("pictures")
    assert "Not measured: the graph gives neither scores nor decisions of one band." in found.says("quality")


def test_pixels_without_data_are_left_out_and_told(tmp_path: Path) -> None:
    cubes, masks = scene(dtype="float32")
    cubes[3, 0, :4, 2] = np.nan
    found = run(tmp_path / "run", FROZEN, MemoryScene(cubes, masks), epochs=0)
    assert "4 validation pixels have no score (not a number) and are left out." in page(found).says("header")
    assert Evidence.read(found / "report.npz").facts["main"]["pixels"] == cubes[..., 0].size - 4


def test_a_failed_run_has_a_page_that_says_why(tmp_path: Path) -> None:
    class Broken(MemoryScene):
        def val_dataloader(self) -> Any:
            raise DataError("the <disk> is gone")

    with pytest.raises(DataError):
        run(tmp_path / "run", data=Broken(), epochs=1, num_sanity_val_steps=0)
    found = page(tmp_path / "run")
    assert "The run failed: DataError: the <disk> is gone" in found.says("header")
    assert "Not measured: the run folder holds no report.npz" in found.says("quality")


def test_a_run_that_cannot_be_reported_is_still_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no paper")

    monkeypatch.setattr("cuvisc.runtime.report.collect.collect", fail)
    folder = run(tmp_path / "run", FROZEN, epochs=0)
    warnings = [r.message for r in caplog.records if r.levelname == "WARNING" and "report" in r.message]
    assert warnings == [
        "the report is incomplete: RuntimeError: no paper; everything else of the run is written"
    ]
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("damage", ["missing", "garbage", "other"])
def test_damaged_evidence_costs_a_section_not_the_page(split: Path, tmp_path: Path, damage: str) -> None:
    copy = shutil.copytree(split, tmp_path / "run")
    place = copy / "report.npz"
    if damage == "missing":
        place.unlink()
    elif damage == "garbage":
        place.write_bytes(b"PK\x03\x04 not a zip")
    else:
        began = json.loads((copy / "run.json").read_text())["started"]
        odd = {"started": began, "main": {"name": "x"}, "images": 3, "sample": {"name": []}}
        Evidence(odd, {"curves/roc": np.zeros(3)}).write(place)
    for name in ("metrics.jsonl", "spec.resolved.yaml"):
        (copy / name).unlink()
    found = Page(make_page(copy))
    said = {"missing": "holds no report.npz", "garbage": "cannot be read", "other": "not as it was written"}
    assert said[damage] in found.says("quality")
    assert "holds no metrics.jsonl" in found.says("training")
    assert "holds no spec.resolved.yaml" in found.says("spec")
    assert "2.13" in found.says("environment")


def test_evidence_of_an_earlier_run_is_not_taken_for_this_one(split: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(split, tmp_path / "run")
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(
        json.dumps({**facts, "started": "2030-01-01T00:00:00Z", "status": "failed"})
    )
    words = Page(make_page(copy)).says("quality")
    assert "Not measured: report.npz was left by an earlier run in this folder." in words


def test_no_pickle_is_ever_loaded(split: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(split, tmp_path / "run")
    np.savez(copy / "report.npz", facts=np.array([{"format": 1}], dtype=object))
    assert "Object arrays cannot be loaded" in Page(make_page(copy)).says("quality")


def test_an_export_is_reported_until_the_run_is_trained_again(split: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(split, tmp_path / "run")
    output = {"output": "rx.scores", "count": 35, "largest": 1.5e-6, "error": 0.25, "problem": ""}
    evidence = {
        "reference": "float64 evaluation",
        "tolerance": {"relative": 1e-4},
        "passed": True,
        "max_relative_error": 3e-6,
        "flipped_decisions": 0,
        "results": [{"target": "onnx", "case": "1x7x5", "outputs": [output]}],
    }
    (copy / "report.html").write_text("an old page")
    leave_export(copy, Path("somewhere/else"), evidence)
    found = Page((copy / "report.html").read_text())
    assert "exported, parity passed (largest relative error 3.0e−06)" in found.says("header")
    words = found.says("parity")
    assert "Exported to somewhere/else." in words
    assert "Passed: largest relative error 3.0e−6 (allowed 0.00010), 0 flipped decisions" in words.replace(
        "e−06", "e−6"
    )
    assert "onnx 1 × 7 × 5 rx.scores 35 1.5e−06 25 % passes" in words
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**facts, "ended": "2030-01-01T00:00:00Z"}))
    assert "Not exported: export.json is of the weights before the run was trained again." in Page(
        make_page(copy)
    ).says("parity")


def test_an_export_of_what_cannot_be_written_to_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "none"
    leave_export(run, Path("artifact"), {"results": []})
    reason = f"{run} is no run folder: it holds no run.json"
    assert caplog.messages == [f"the report of {run} does not show the export: {reason}"]


def test_a_report_needs_no_torch(split: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from cuvisc.runtime.report.write import write_page\n"
        f"write_page(Path({str(split)!r}), Path('again.html'))\n"
        "heavy = {'torch', 'lightning', 'onnx', 'onnxruntime', 'matplotlib', 'scipy'}\n"
        "assert not heavy & {name.partition('.')[0] for name in sys.modules}"
    )
    place = {**os.environ, "PYTHONPATH": str(Path(cuvisc.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=place, check=True)
    assert (tmp_path / "again.html").read_text() == (split / "report.html").read_text()
