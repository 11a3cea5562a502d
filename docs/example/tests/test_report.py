"""The report: one HTML page about a run, which needs no other file and loads nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from conftest import FAST, Finished

SECTIONS = ["metrics", "forecasts", "training", "errors", "loader", "run", "config"]


def test_training_and_evaluation_are_reported(run: Callable[..., Finished], workdir: Path) -> None:
    # names and settings are shown as they are, and not as HTML; Windows has no < in names
    nasty = "+model.optimizer_kwargs.betas=[0.9,0.999]", "hydra.run.dir='a &lt;b&gt; c'"
    # enough forecasts for the autocorrelation of their errors
    longer = "data.length=120", "data.test_size=30", "stride=1"
    assert run("train", *FAST, *longer, *nasty, "after_run=report").code == 0
    path = workdir / "a &lt;b&gt; c" / "report.html"
    page = path.read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="(\w+)"', page) == SECTIONS
    scores = json.loads(path.with_name("metrics.json").read_text(encoding="utf-8"))
    record = json.loads(path.with_name("record.json").read_text(encoding="utf-8"))
    for expected in (
        *("TiDEModel on", "2 epochs", "a &amp;lt;b&amp;gt; c"),
        f"{scores['test']['model']['mae']:.4g}",
        record["versions"]["torch"],
    ):
        assert expected in page, expected

    finished = run("evaluate", "run='a &lt;b&gt; c'", "hydra.run.dir=again", "after_run=report")
    assert finished.code == 0, finished.err
    for folder in (path.parent, workdir / "again"):
        page = (folder / "report.html").read_text(encoding="utf-8")
        # three forecasts, the error by step, the losses, the residuals
        images = re.findall(r'<img[^>]* src="data:image/svg\+xml;base64,', page)
        assert len(images) == page.count("<img") >= 5
        assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe|<b>", page)
