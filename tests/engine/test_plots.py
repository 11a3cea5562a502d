"""Names of any script in plots: with a font that has their characters, or with one line."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from my_forecast.data import Panel
from my_forecast.evaluation.metrics import worst_and_best
from my_forecast.evaluation.plots import draw_future, plot_title

FAMILY, NAME = "Tiny Hanzi", "\u9500\u552e"


def write_font(path: Path, text: str) -> None:
    """Write a font in which each character of a text is a bar."""
    glyphs = {".notdef": 100, **{f"u{ord(one):04x}": 300 for one in text}}
    drawn = {}
    for name, width in glyphs.items():
        pen = TTGlyphPen(None)
        pen.moveTo((100, 0))
        for point in ((100, 700), (100 + width, 700), (100 + width, 0)):
            pen.lineTo(point)
        pen.closePath()
        drawn[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([*glyphs])
    builder.setupCharacterMap({ord(one): f"u{ord(one):04x}" for one in text})
    builder.setupGlyf(drawn)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (600, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    postscript = FAMILY.replace(" ", "")
    builder.setupNameTable(
        {"familyName": FAMILY, "styleName": "Regular", "psName": postscript, "fullName": FAMILY}
    )
    builder.setupOS2()
    builder.setupPost()
    builder.save(str(path))


def plot(name: str) -> Figure:
    """Draw a forecast of a series with a name."""
    days = pd.date_range("2024-01-01", periods=20)
    series = TimeSeries.from_times_and_values(days, np.arange(20.0), columns=[name])
    table = pd.DataFrame({"time": days[:3] + pd.Timedelta(days=20), name: [1.0, 2.0, 3.0]})
    return draw_future(Panel.from_series(series), table, 3, [], f"Forecast of {name}")


def test_the_time_axis_says_which_times_it_covers() -> None:
    """Ticks name days and months only; a week in December is not one of January."""
    [axes] = plot("y").axes
    # six horizons of history, and the forecast
    assert axes.get_xlabel() == "2024-01-03 to 2024-01-23"


def many_series(count: int) -> tuple[Panel, pd.DataFrame]:
    """Return series of 20 days, and a forecast of each for three more."""
    days = pd.date_range("2024-01-01", periods=23)
    series = [
        TimeSeries.from_times_and_values(days[:20], np.arange(20.0) + n, columns=["y"])
        for n in range(count)
    ]
    values = [n + 20.0 + step for n in range(count) for step in range(3)]
    table = pd.DataFrame({"time": np.tile(days[20:], count), "y": values})
    return Panel.from_series(series, [f"shop {n}" for n in range(count)]), table


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_series_has_its_own_axes(count: int) -> None:
    data, table = many_series(count)
    figure = draw_future(data, table, 3, [], "All shops")
    assert len(figure.axes) == count
    assert figure.get_suptitle() == "All shops"
    for number, axes in enumerate(figure.axes):
        assert axes.get_title() == (f"shop {number}" if count > 1 else "")
        lines = {str(line.get_label()): line.get_ydata() for line in axes.lines}
        np.testing.assert_array_equal(lines["forecast"], np.arange(20, 23) + number)
        np.testing.assert_array_equal(lines["history"], np.arange(2, 20) + number)
    # one legend for all
    assert len(figure.legends) == 1


def test_only_some_of_many_series_are_plotted() -> None:
    table = pd.DataFrame(
        {"series": [f"s{n}" for n in range(30)], "model_mase": [*range(29), np.nan]}
    )
    assert worst_and_best(table, 4) == ["s28", "s27", "s1", "s0"]
    assert worst_and_best(table[:3], 4) == ["s2", "s1", "s0"]
    # nothing is known of any of them
    assert worst_and_best(table[29:], 4) == ["s29"]
    assert plot_title("TiDE on x.csv", "forecast", 4, 30) == (
        "my_forecast: TiDE on x.csv, forecasts of 4 of 30 series"
    )


def only_the_usual_font() -> None:
    """Forget the fonts that happen to be installed, until ``ttflist`` is restored."""
    fontManager.ttflist = [font for font in fontManager.ttflist if font.name == "DejaVu Sans"]


def test_a_font_that_has_the_characters_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fontManager, "ttflist", fontManager.ttflist)
    only_the_usual_font()
    write_font(tmp_path / "tiny.ttf", NAME)
    fontManager.addfont(tmp_path / "tiny.ttf")
    for name, used in ((f"{NAME} A", True), ("K\xf6ln", False)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plot(name).savefig(tmp_path / "plot.svg")
        drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
        # glyphs are named after their fonts
        assert ("TinyHanzi" in drawn) is used
        assert "DejaVuSans" in drawn


def test_characters_of_no_font_are_one_line_in_the_log(tmp_path: Path) -> None:
    code = (
        "import logging; logging.basicConfig(); from engine.test_plots import *; "
        "only_the_usual_font(); "
        "[plot(name).savefig('plot.png') for name in (NAME, NAME, NAME[0], 'plain')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no installed font") == 1
    assert "Glyph" not in done.stderr
