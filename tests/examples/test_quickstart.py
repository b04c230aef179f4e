"""The quickstart notebook runs from a fresh kernel, and what is committed with it is what a run gives."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import agree
from report_pages import Page

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")

from notebook_runs import QUICKSTART, ROOT, read, run

LARGEST = 500_000


def codes(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: Any) -> Iterator[str]:
    """What a person reads in the outputs of a cell."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
            continue
        yield output.data.get("text/plain", "")
        if "text/html" in output.data:
            yield Page(f"<section>{output.data['text/html']}</section>").says("section")


def kinds(cell: Any) -> list[tuple[str, list[str]]]:
    return [(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs]


@pytest.fixture(scope="module")
def committed() -> Any:
    return read(QUICKSTART)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def executed(committed: Any, folder: Path) -> Any:
    return run(committed, folder)


def test_committed_outputs_are_those_of_a_run(committed: Any, executed: Any) -> None:
    for before, now in zip(codes(committed), codes(executed), strict=True):
        assert kinds(before) == kinds(now), before.source
        for old, new in zip(texts(before), texts(now), strict=True):
            agree(old, new)


def test_committed_cells_were_run_once_in_order_without_a_complaint(committed: Any) -> None:
    assert [cell.execution_count for cell in codes(committed)] == list(range(1, len(codes(committed)) + 1))
    outputs = [output for cell in codes(committed) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert [output for output in outputs if output.get("name") == "stderr"] == []


def test_it_is_small_and_names_no_place_of_the_machine_it_ran_on(committed: Any) -> None:
    text = QUICKSTART.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    for place in (str(ROOT), str(Path.home()), "file:/", "/tmp/"):
        assert place not in text


def test_it_shows_the_graph_the_run_maps_and_three_figures(committed: Any) -> None:
    shown = [output.data for cell in codes(committed) for output in cell.outputs if "data" in output]
    assert [data["text/plain"].split()[0] for data in shown if "text/html" in data] == [
        "<Graph",
        "<Run",
        "<Predictor",
        "<Prediction",
    ]
    figures = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    assert len(figures) == 3
    assert all(figure.startswith(b"\x89PNG") for figure in figures)


def test_its_links_lead_somewhere(committed: Any, executed: Any, folder: Path) -> None:
    prose = "\n".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (QUICKSTART.parent / link).is_file(), link
    for link in re.findall(r'href="(\./[^"]+)"', json.dumps(committed).replace('\\"', '"')):
        assert (folder / link).is_file(), link


def test_the_detector_is_good_at_what_the_notebook_says(executed: Any, folder: Path) -> None:
    """The numbers that are printed are those of the artifact that the cells left behind."""
    from cuvisc.runtime.data.scenes import indian_pines
    from cuvisc.runtime.inference import Predictor

    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scene = indian_pines()
    values = Predictor(folder / "towers-artifact").predict(scene.cube)
    truth = scene.labels == 16
    area = sklearn.roc_auc_score(truth.ravel(), values["rx.scores"].ravel())
    said = "".join(text for cell in codes(executed) for text in texts(cell))
    assert f"AUROC {area:.3f}" in said
    decided = values["decider.decisions"][..., 0]
    found, alarms = int((decided & truth).sum()), int((decided & ~truth).sum())
    assert f"threshold 0.5: {found} of 93 towers found, {alarms} false alarms" in said
    assert area > 0.95
