"""What a page is made of: numbers, axes, pictures, logs; each against what a reader or another program makes of it."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.leaves import canvas
from cuvisc.leaves.anomaly_heatmap import OUTCOMES
from cuvisc.leaves.false_color import false_color as figure_colors
from cuvisc.runtime.report import palette, pictures
from cuvisc.runtime.report.charts import Band, Chart, Line, Steps
from cuvisc.runtime.report.history import read_history
from cuvisc.runtime.report.layers import border
from cuvisc.runtime.report.markup import Html, duration, join, number, percent, tag
from cuvisc.runtime.report.outcomes import (
    ALARM,
    FOUND,
    MISSED,
    NO_DATA,
    NORMAL,
    SpectraSample,
    judge,
    summarise,
)
from cuvisc.runtime.report.png import encode
from cuvisc.runtime.report.scales import Axis


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def test_text_is_escaped_once_and_markup_never() -> None:
    made = tag("p", "a < b & ", tag("b", '"c"'), title='<"\n\x07>')
    assert made == '<p title="&lt;&quot;\n\\x07&gt;">a &lt; b &amp; <b>&quot;c&quot;</b></p>'
    assert join("<i>", Html("<i>")) == "&lt;i&gt;<i>"
    assert tag("img", alt=None, hidden=True, src="x") == '<img hidden src="x">'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (21025, "21 025"),
        (0.0044, "0.004400"),
        (-16.774, "-16.77"),
        (3.4e-6, "3.400e-06"),
        (1.5e9, "1 500 000 000"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert plain(number(value)) == text


def test_percentages_and_durations_are_what_people_say() -> None:
    assert [plain(percent(v)) for v in (0, 1, 0.5, 0.0044, 0.00001234)] == [
        "0.0 %",
        "100.0 %",
        "50.0 %",
        "0.44 %",
        "0.0012 %",
    ]
    assert [duration(s) for s in (0.21, 59.94, 61, 3661)] == ["0.2 s", "59.9 s", "1 min 01 s", "1 h 01 min"]


FINITE = st.floats(-1e8, 1e8, allow_nan=False)


@given(FINITE, st.floats(1e-6, 1e8), st.booleans())
def test_ticks_are_inside_the_axis_few_and_told_apart(low: float, span: float, log: bool) -> None:
    low = abs(low) + 1e-6 if log else low
    axis = Axis.around("x", low, low + span, log=log)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12 or (log and axis.high / axis.low < 1.3)
    assert all(axis.low - 1e-6 * span <= value <= axis.high + 1e-6 * span for value, _ in ticks)
    place = axis.place(0.0, 100.0)
    places = [place(value) for value, _ in ticks]
    assert places == sorted(places)
    assert all(-0.01 <= at <= 100.01 for at in places)


def test_ticks_are_round_and_as_precise_as_their_step() -> None:
    assert [text for _, text in Axis("x", 0, 1).ticks(4)] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert [plain(text) for _, text in Axis("x", -12000, 4000).ticks(4)] == ["-10 000", "-5 000", "0"]
    assert [text for _, text in Axis("x", 0.7, 2000, log=True).ticks()] == ["1", "10", "100", "1\u202f000"]
    assert [text for _, text in Axis("x", 1e-13, 1e-2, log=True).ticks(4)] == [
        "10⁻¹³",
        "10⁻¹⁰",
        "10⁻⁷",
        "10⁻⁴",
    ]


def paths(chart: Chart, style: str) -> list[str]:
    return re.findall(rf'<path d="([^"]*)" class="{style}[^"]*"', chart.draw())


def test_a_line_is_broken_where_nothing_is_known() -> None:
    x, y = np.arange(6.0), np.array([1, 2, np.nan, 3, 4, 5])
    axes = (Axis("x", 0, 5), Axis("y", 0, 5), "six points, one missing")
    assert [path.count("M") for path in paths(Chart(*axes, [Line(x, y, "blue")]), "line")] == [2]
    far = np.array([0, 1, 2, 30, 31, 32.0])
    gap = Line(far, np.arange(6.0), "blue", gap=3)
    assert [path.count("M") for path in paths(Chart(Axis("x", 0, 32), *axes[1:], [gap]), "line")] == [2]
    band = Band(far, np.zeros(6), np.ones(6), "blue", gap=3)
    assert [path.count("Z") for path in paths(Chart(Axis("x", 0, 32), *axes[1:], [band]), "band")] == [2]


def test_positions_follow_the_axes() -> None:
    chart = Chart(
        Axis("x", 0, 10),
        Axis("y", 0, 2),
        "two points",
        [Line(np.array([0, 10.0]), np.array([0, 2.0]), "blue")],
    )
    assert paths(chart, "line") == [f"M60.0 {chart.height - 40:.1f}L{chart.width - 10:.1f} 10.0"]
    steps = Chart(
        Axis("x", 0, 2),
        Axis("n", 0.7, 10, log=True),
        "bins",
        [Steps(np.arange(3.0), np.array([0, 10]), "blue")],
    )
    assert paths(steps, "steps") == ["M60.0 210V210.0H225.0V10.0H390.0V210Z"]


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 33)])
def test_a_png_holds_the_pixels(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    colors = random.integers(0, 256, (*shape, 3), np.uint8)
    read = matplotlib.image.imread(io.BytesIO(encode(colors)), format="png")
    np.testing.assert_array_equal(np.rint(read[..., :3] * 255), colors)
    ramp, index = palette.heat_ramp(), random.integers(0, 256, shape, np.uint8)
    read = matplotlib.image.imread(io.BytesIO(encode(index, ramp)), format="png")
    np.testing.assert_array_equal(np.rint(read[..., :3] * 255), ramp[index])


def test_colours_are_those_of_the_figures() -> None:
    for name in ("BLUE", "ORANGE", "GREEN", "YELLOW", "SKY", "VERMILION", "PURPLE"):
        assert getattr(palette, name) == getattr(canvas, name)
    assert {outcome: color for outcome, (_, color) in OUTCOMES.items()} == {
        1: palette.OUTCOMES[NORMAL],
        2: palette.OUTCOMES[FOUND],
        3: palette.OUTCOMES[MISSED],
        4: palette.OUTCOMES[ALARM],
        0: palette.OUTCOMES[NO_DATA],
    }


def test_heat_is_lighter_where_it_is_more() -> None:
    ramp = palette.heat_ramp() / 255
    linear = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -2e-3).all()
    assert luminance[0] < 0.02
    assert luminance[-1] > 0.85


def test_a_scene_has_the_colours_of_the_figures() -> None:
    cube = np.random.default_rng(3).normal(size=(9, 8, 5))
    cube[2, 3] = np.nan
    bands, words = pictures.choose_bands(5, None)
    picture, same = figure_colors(cube)
    np.testing.assert_array_equal(pictures.false_color(cube, bands, 1), np.rint(picture * 255))
    assert words == same


def test_shrinking_loses_no_detection() -> None:
    values = np.zeros((2500, 1000), np.float32)
    values[2499, 999], values[0, 0] = 7, np.nan
    step = pictures.step_for(*values.shape)
    small = pictures.shrink(values, step)
    assert (step, small.shape, small.max()) == (5, (500, 200), 7)
    assert np.isfinite(small[0, 0])
    assert pictures.shrink(values > 0, step).sum() == 1


def test_an_outline_is_as_long_as_the_border_of_the_mask() -> None:
    mask = np.random.default_rng(5).random((20, 30)) < 0.3
    padded = np.pad(mask.astype(int), 1)
    length = sum(int(np.abs(np.diff(padded, axis=axis)).sum()) for axis in (0, 1))
    assert sum(map(int, re.findall(r"[hv](\d+)", border(mask)))) == length
    assert border(np.zeros((3, 3), bool)) == ""


def test_every_pixel_has_one_outcome() -> None:
    mask = np.array([True, True, False, False, True])
    decided = np.array([True, False, True, False, True])
    known = np.array([True, True, True, True, False])
    assert judge(known, decided, mask).tolist() == [FOUND, MISSED, ALARM, NORMAL, NO_DATA]
    assert judge(known, decided, None).tolist() == [FOUND, NORMAL, FOUND, NORMAL, NO_DATA]
    assert judge(known, None, mask).tolist() == [FOUND, FOUND, NORMAL, NORMAL, NO_DATA]
    assert judge(known, None, None).tolist() == [NORMAL] * 4 + [NO_DATA]


def test_a_sample_of_spectra_is_bounded_and_repeats() -> None:
    def sample() -> SpectraSample:
        made = SpectraSample(size=50)
        for part in range(4):
            spectra = np.arange(part * 100, part * 100 + 100)[:, None] * np.ones((1, 3))
            made.update(spectra, np.where(np.arange(100) < 10, FOUND, NORMAL).astype(np.uint8))
        return made

    first, second = sample(), sample()
    assert first.counts == {NORMAL: 360, FOUND: 40}
    np.testing.assert_array_equal(first.summarised()[NORMAL], second.summarised()[NORMAL])
    expected = np.concatenate([np.arange(p * 100, p * 100 + 10) for p in range(4)]).mean()
    assert first.summarised()[FOUND][0, 0] == pytest.approx(expected)


def test_bands_that_are_not_finite_leave_a_hole() -> None:
    spectra = np.array([[1.0, np.nan, 3.0], [3.0, np.nan, np.inf]])
    mean, low, high = summarise(spectra)
    np.testing.assert_allclose(mean, [2, np.nan, 3])
    np.testing.assert_allclose([low[0], high[0]], np.percentile([1, 3], (5, 95)))
    assert np.isnan(high[1])


def log(path: Path, *entries: tuple[str, int, int, float | None]) -> Path:
    lines = [
        json.dumps(
            {
                "step": step,
                "epoch": epoch,
                "stage": name.split("/")[0],
                "name": name,
                "value": value,
                "time": 0,
            }
        )
        for name, step, epoch, value in entries
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_steps_become_epochs(tmp_path: Path) -> None:
    train = [("train/loss/total", step, step // 4, 1.0) for step in range(12)]
    val = [("val/loss/total", 4 * epoch + 3, epoch, 0.5) for epoch in range(3)]
    found = read_history(log(tmp_path / "m.jsonl", *train, *val))
    np.testing.assert_allclose(found.series["train/loss/total"].epochs, np.arange(12) / 4)
    np.testing.assert_allclose(found.series["val/loss/total"].epochs, [1, 2, 3])
    assert found.epochs == 3


def test_a_log_of_many_lines_is_drawn_with_few_points(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    entries = [("train/loss/total", step, step // 100, float(v)) for step, v in enumerate(values)]
    series = read_history(log(tmp_path / "m.jsonl", *entries)).series["train/loss/total"]
    assert series.values.size <= 402
    assert (series.low, series.high, series.last) == (values.min(), values.max(), values[-1])


def test_a_log_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    path = log(tmp_path / "m.jsonl", ("lr", 0, 0, 0.1), ("val/loss/total", 0, 0, None), ("lr", 1, 1, 0.2))
    with path.open("a") as stream:
        stream.write('[1]\n{"name": 3}\n{"step": 2, "na')
    found = read_history(path)
    assert (found.lines, found.broken) == (6, 3)
    assert found.series["lr"].values.tolist() == [0.1, 0.2]
    assert "val/loss/total" not in found.series
