"""What notebooks show, in a real browser on the colours of light and dark notebooks: every word can be read."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import BROWSER, browse
from memory_data import ANOMALY, MemoryScene
from small_artifacts import write_artifact

from cuvisc import Graph, TrainerConfig, TrainingConfig
from cuvisc.runtime.inference import Predictor

# Paper and ink of JupyterLab's and VS Code's themes.
THEMES = {
    "jupyter light": ("#ffffff", "rgba(0,0,0,0.87)"),
    "jupyter dark": ("#111111", "rgba(255,255,255,0.87)"),
    "code light": ("#ffffff", "#3b3b3b"),
    "code dark": ("#1f1f1f", "#cccccc"),
}
WIDTH = 620
PAGE = """<!doctype html><meta charset="utf-8">
<body style="margin:0;padding:0;background:%s;color:%s;width:%dpx"><p id="outside">outside</p>%s<script>
const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function seen(color, under) {
  pen.fillStyle = `rgb(${under})`; pen.fillRect(0, 0, 1, 1);
  pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
function behind(element) {
  if (!element || element === document.documentElement) return [255, 255, 255];
  const style = getComputedStyle(element);
  const fill = element instanceof SVGElement ? "transparent" : style.backgroundColor;
  return seen(fill, behind(element.parentElement));
}
const found = [];
for (const element of document.querySelectorAll(".cuvisc *")) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || element.closest("style, title, desc, defs")) continue;
  const style = getComputedStyle(element), under = behind(element);
  const color = seen(element instanceof SVGElement ? style.fill : style.color, under);
  found.push({text: element.textContent.trim().slice(0, 60), color, under, size: parseFloat(style.fontSize)});
}
const beyond = [...document.querySelectorAll(".cuvisc *")].filter(e => !e.closest(".scroll, pre"))
  .filter(e => e.getBoundingClientRect().right > %d + 1).map(e => e.outerHTML.slice(0, 120));
const outside = getComputedStyle(document.getElementById("outside"));
const out = document.createElement("output");
out.textContent = JSON.stringify({found, beyond, outside: [outside.margin, outside.fontSize]});
document.body.append(out);
</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")


def contrast(first: list[int], second: list[int]) -> float:
    """Contrast of two sRGB colours as WCAG 2 defines it, 1 to 21."""

    def luminance(color: list[int]) -> float:
        part = np.array(color) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The outputs of four cells, one below the other."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "small.yaml").write_text(ANOMALY)
    graph = Graph.from_file(folder / "small.yaml")
    config = TrainingConfig(trainer=TrainerConfig(max_epochs=2, enable_progress_bar=False))
    graph.train(MemoryScene(), config, run_dir=folder / "run")
    predictor = Predictor(write_artifact(folder / "artifact").folder)
    cube = np.random.default_rng(0).integers(60, 140, (20, 30, 5)).astype(np.uint16)
    shown = (graph, graph.run, predictor, predictor.predict(cube))
    return "".join(item._repr_html_() for item in shown)


def look(outputs: str, theme: str, folder: Path) -> tuple[Any, str]:
    paper, ink = THEMES[theme]
    page = folder / "page.html"
    page.write_text(PAGE % (paper, ink, WIDTH, outputs, WIDTH), encoding="utf-8")
    printed, logged = browse(page, "--dump-dom", "--window-size=1000,1000")
    output = re.search(r"<output>(.*?)</output>", printed, re.DOTALL)
    assert output is not None, logged
    return json.loads(html.unescape(output[1])), logged


@pytest.mark.parametrize("theme", THEMES)
def test_every_word_can_be_read_in_every_theme(theme: str, outputs: str, tmp_path: Path) -> None:
    looked, logged = look(outputs, theme, tmp_path)
    assert "CONSOLE" not in logged
    assert len(looked["found"]) > 80
    faint = [word for word in looked["found"] if contrast(word["color"], word["under"]) < 4.5]
    assert faint == []
    assert min(word["size"] for word in looked["found"]) >= 11
    assert looked["beyond"] == []
    # The browser's own style of a paragraph: nothing of ours reached it.
    assert looked["outside"] == ["16px 0px", "16px"]
