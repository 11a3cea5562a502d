"""The report: a page that needs nothing else, for whatever the data is called."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from my_forecast.data import Panel
from my_forecast.evaluation.backtest import Backtest, training_scale
from my_forecast.evaluation.inference import Origins
from my_forecast.evaluation.metrics import compute_metrics
from my_forecast.evaluation.results import RunResults
from my_forecast.report import write_report
from my_forecast.report.diagnostics import autocorrelation, examples, one_step_errors
from my_forecast.runs.folder import write_sums

from engine.project import FAST, Finished

Run = Callable[..., Finished]
NASTY = ["<script>alert(1)</script>", '"quoted" & $\\frac{', "日本 \N{ROCKET}"]
SECTIONS = ["metrics", "forecasts", "training", "errors", "loader", "run", "config"]
VOID = ("meta", "img")


class Page(HTMLParser):
    """What a page consists of; reading fails if its elements are not properly nested."""

    def __init__(self, path: Path) -> None:
        """Read the file."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Expect the element that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember a text."""
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def newest(workdir: Path, task: str) -> Path:
    return sorted(workdir.glob(f"outputs/{task}/*/*/report.html"))[-1]


def assert_stands_alone(path: Path) -> None:
    """No scripts and nothing to load; figures are described, tables have headings."""
    page, text = Page(path), path.read_text(encoding="utf-8")
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "iframe", "a"})
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on")}
        assert not attributes.get("href")
    assert not re.search(r"https?://|url\(|@import", text)
    for image in page.all("img"):
        assert str(image["src"]).startswith("data:image/svg+xml;base64,")
        assert image["alt"]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1
    assert len(page.all("table")) == len(page.all("caption")) == len(page.all("thead"))
    assert path.stat().st_size < 1_000_000


def test_a_run_and_its_evaluation_are_reported(run: Run, workdir: Path) -> None:
    assert run("train", *FAST, "after_run=report").code == 0
    path = newest(workdir, "train")
    assert_stands_alone(path)
    page = Page(path)
    assert [attributes["id"] for attributes in page.all("h2")] == SECTIONS
    scores = pd.read_json(path.parent / "metrics.json")["test"]["model"]
    record = pd.read_json(path.parent / "record.json", typ="series")
    # the error by step, three forecasts, the learning curve, the errors
    assert len(page.all("img")) == 6
    for expected in (
        *("TiDEModel on", "6 forecasts of 5 steps"),
        "input_chunk_length: 10",
        *("Best series", "Worst series", "2 epochs", "Ljung-Box", "than the seasonal naive"),
        f"{scores['mase']:.4g}",
        record["dataloader"]["num_workers"]["reason"],
        record["versions"]["torch"],
    ):
        assert expected in page.text, expected

    assert run("evaluate", "run=latest", "stride=1", "after_run=report").code == 0
    path = newest(workdir, "evaluate")
    assert_stands_alone(path)
    assert "2 epochs" in Page(path).text


def test_names_of_any_kind_are_shown_as_they_are(tmp_path: Path) -> None:
    component = "<b>$x_{$"
    random = np.random.default_rng(0)
    values = [random.random((80, 1)).cumsum(axis=0) for _ in NASTY]
    targets = [TimeSeries.from_values(part, columns=[component]) for part in values]
    data = Panel.from_series(targets, NASTY)
    starts = np.arange(60, 76)
    truth = np.concatenate([part[starts[:, None] + np.arange(5)] for part in values])
    naive = np.concatenate([part[starts[:, None] + np.arange(5) - 7] for part in values])
    backtest = Backtest(
        names=NASTY,
        origins=Origins(np.repeat([0, 1, 2], len(starts)), np.tile(starts, 3)),
        truth=truth,
        forecasts={"model": truth + 0.1, "baseline": naive},
        scale=training_scale(data.targets.between(0, 50), 7),
        quantiles={level: truth + level for level in (0.1, 0.5, 0.9)},
    )
    record = {
        "finished": "2026-01-31T12:00:00+00:00",
        "command": ["train.py", "<i>"],
        "seed": 0,
        "git": {"revision": "0a1b2c", "dirty": True},
        "platform": "Linux",
        "data_fingerprint": "abc",
        "seconds": {"fit": 1.5},
        "dataloader": {"num_workers": {"value": 0, "reason": "<u>"}},
        "versions": {"torch": "2"},
    }
    (tmp_path / "config.yaml").write_text("path: </pre><script>\n", encoding="utf-8")
    write_sums(tmp_path, ["config.yaml"])
    write_report(
        RunResults(
            folder=tmp_path,
            run_dir=tmp_path,
            record=record,
            subject="A title & more",
            data=data,
            backtest=backtest,
            metric_names=["merr"],
        )
    )
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"SHA256SUMS", "config.yaml", "report.html"}
    path = tmp_path / "report.html"
    assert_stands_alone(path)
    text = Page(path).text
    for expected in [*NASTY, component, "<i>", "<u>", "</pre><script>", "title & more"]:
        assert expected in text, expected
    for expected in ("No losses were logged", "coverage_80", "uncommitted changes"):
        assert expected in text, expected


def backtest_of(errors: list[np.ndarray]) -> Backtest:
    """Return a backtest of one-step forecasts with given errors, one array a series."""
    counts, truth = [len(part) for part in errors], np.concatenate(errors)[:, None, None]
    zeros = np.zeros_like(truth)
    rises = Panel.from_series([TimeSeries.from_values(np.arange(9.0)) for _ in errors])
    return Backtest(
        names=[f"series {number}" for number in range(len(errors))],
        origins=Origins(
            np.repeat(np.arange(len(counts)), counts),
            np.concatenate([np.arange(count) for count in counts]),
        ),
        truth=truth,
        forecasts={"model": zeros, "baseline": zeros},
        scale=training_scale(rises.targets, 1),
    )


def test_examples_are_the_best_the_median_and_the_worst() -> None:
    result = backtest_of([np.full(3, size) for size in (2.0, 9.0, 1.0, 4.0, 3.0)])
    found = examples(result, compute_metrics(result, ["mase"]))
    # the last of three forecasts of the series 2, 4 and 1
    assert found == {"Best series": 8, "Median series": 14, "Worst series": 5}
    assert result.origins.series[list(found.values())].tolist() == [2, 4, 1]
    single = backtest_of([np.array([0.5, -3.0, 1.0])])
    found = examples(single, compute_metrics(single, ["mase"]))
    assert list(found.values()) == [0, 2, 1]
    one = backtest_of([np.array([1.0])])
    assert len(examples(one, compute_metrics(one, ["mase"]))) == 1


def test_examples_leave_out_series_that_do_not_change() -> None:
    """The best and the worst series are constant."""
    parts = [np.zeros(3), np.array([1.0, 2, 1]), np.array([5.0, 6, 5]), np.full(3, 9.0)]
    result = backtest_of(parts)
    found = examples(result, compute_metrics(result, ["mase"]))
    assert result.origins.series[list(found.values())].tolist() == [1, 2]


def test_residuals_by_hand() -> None:
    """The Ljung-Box statistic is n (n + 2) times the sum of r_k ** 2 / (n - k)."""
    from scipy.stats import chi2

    errors = np.random.default_rng(0).standard_normal(60).cumsum()
    of_backtest = one_step_errors(backtest_of([np.zeros(9), errors]), 1)
    np.testing.assert_array_equal(of_backtest, errors)
    found, p_value = autocorrelation(errors)
    centred = errors - errors.mean()
    r = np.array([(centred[k:] * centred[:-k]).sum() for k in range(1, 11)]) / (centred**2).sum()
    np.testing.assert_allclose(found, r)
    statistic = 60 * 62 * (r**2 / (60 - np.arange(1, 11))).sum()
    assert p_value == pytest.approx(chi2.sf(statistic, 10))
    assert autocorrelation(errors[:9]) == (None, None)
    assert autocorrelation(np.ones(60)) == (None, None)
