"""The page in a real browser: no error, no request, nothing wider than a phone, light and dark told apart."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from browser import BROWSER, browse
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene

from cuvisc import TrainingConfig
from cuvisc.runtime.training import train

PHONE, DESK = 360, 1200
# A page that shows the report in frames of two widths and writes down what it finds there.
HARNESS = """<!doctype html><body><script>
const found = {};
function look(width) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.width = width; frame.height = 900; frame.src = "report.html";
    frame.onload = () => {
      const inside = frame.contentDocument, root = inside.documentElement;
      const scrolls = e => e.closest(".scroll, pre, .skip, .unseen");
      found[width] = {
        wide: root.scrollWidth,
        beyond: [...inside.body.querySelectorAll("*")].filter(e => !scrolls(e))
          .filter(e => e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 120)),
        broken: [...inside.images].filter(i => !i.complete || !i.naturalWidth).length,
        requests: frame.contentWindow.performance.getEntriesByType("resource").map(r => r.name)
          .filter(n => !n.startsWith("data:")),
        size: Math.min(...[...inside.querySelectorAll("p, td, th, li, dd, figcaption, svg.chart text")]
          .filter(e => e.getBoundingClientRect().width).map(e => {
            const m = e.ownerSVGElement ? e.getScreenCTM() : {a: 1, b: 0}, scale = Math.hypot(m.a, m.b);
            return scale * parseFloat(frame.contentWindow.getComputedStyle(e).fontSize);
          })),
      };
      done();
    };
    document.body.append(frame);
  });
}
look(%d).then(() => look(%d)).then(() => {
  const out = document.createElement("output");
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    config = TrainingConfig(trainer={"max_epochs": 2, "accelerator": "cpu", "enable_checkpointing": False})
    text = ANOMALY.replace(
        "name: small", 'name: "a name with <script>, without any place to break it: ' + "x" * 60 + '"'
    )
    done = train(typed(text), MemoryScene(), config, run_dir=folder / "run")
    return Path(shutil.copy(done.folder / "report.html", folder / "report.html"))


@pytest.fixture(scope="module")
def looked(report: Path) -> tuple[dict[str, Any], str]:
    harness = report.parent / "harness.html"
    harness.write_text(HARNESS % (PHONE, DESK))
    printed, logged = browse(harness, "--dump-dom", "--window-size=1300,1000")
    output = re.search(r"<output>(.*?)</output>", printed, re.DOTALL)
    assert output is not None, logged
    return json.loads(html.unescape(output[1])), logged


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_is_wider_than_the_screen(looked: tuple[dict[str, Any], str], width: int) -> None:
    found = looked[0][str(width)]
    assert found["beyond"] == []
    assert found["wide"] <= width


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_all_words_can_be_read(looked: tuple[dict[str, Any], str], width: int) -> None:
    assert looked[0][str(width)]["size"] >= 9.5


def test_nothing_is_requested_and_nothing_fails(looked: tuple[dict[str, Any], str]) -> None:
    found, logged = looked
    assert [found[str(width)]["requests"] for width in (PHONE, DESK)] == [[], []]
    assert [found[str(width)]["broken"] for width in (PHONE, DESK)] == [0, 0]
    assert "CONSOLE" not in logged


def test_the_page_is_no_burden(report: Path) -> None:
    assert report.stat().st_size < 2_000_000


def test_the_browser_test_can_fail(report: Path) -> None:
    bad = report.parent / "bad.html"
    script = '<script src="https://example.invalid/x.js"></script>'
    bad.write_text(report.read_text().replace("<body>", f"<body>{script}"))
    _, logged = browse(bad, "--dump-dom")
    assert "CONSOLE" in logged


@pytest.mark.parametrize(("scheme", "setting"), [("light", 1), ("dark", 0)])
def test_it_follows_light_and_dark(report: Path, scheme: str, setting: int) -> None:
    place = report.parent / f"{scheme}.png"
    browse(
        report,
        f"--screenshot={place}",
        f"--window-size={PHONE},800",
        f"--blink-settings=preferredColorScheme={setting}",
    )
    corner = matplotlib.image.imread(place)[:8, :8, :3]
    assert np.ptp(corner.reshape(-1, 3), axis=0).max() == 0
    assert (corner.mean() > 0.9) == (scheme == "light")
