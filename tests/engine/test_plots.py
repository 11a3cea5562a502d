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
from my_forecast.evaluation.plots import draw_future

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
