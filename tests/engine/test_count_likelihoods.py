"""Likelihoods of counts: their loss is SciPy's, and every model trains on counts of any size."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from my_forecast.training import NegativeBinomial, Poisson
from scipy.stats import nbinom, poisson

from engine.project import FAST, Finished

Run = Callable[..., Finished]
OWN = [item for item in FAST if not item.startswith("data") and item != "model=tide"]
COUNTS = [*OWN, "data=csv", "data.path=counts.csv", "data.season_length=7", "after_run=[]"]


def write_counts(levels: tuple[int, ...]) -> None:
    """Write daily counts of several series, each with its level, a weekly season and a trend."""
    random, step = np.random.default_rng(0), np.arange(120)
    frames = []
    for level in levels:
        mean = level * (1 + 0.4 * np.sin(2 * np.pi * step / 7)) * (1 + step / 240)
        counts = random.negative_binomial(10, 10 / (10 + mean))
        frames.append(pd.DataFrame({"unique_id": str(level), "ds": step, "y": counts}))
    pd.concat(frames).to_csv("counts.csv", index=False)


@given(
    counts=st.lists(st.integers(0, 5000), min_size=1, max_size=6),
    outputs=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    center=st.floats(0, 8),
    scale=st.floats(0.5, 2),
)
def test_the_loss_is_that_of_scipy(
    counts: list[int], outputs: tuple[float, float], center: float, scale: float
) -> None:
    """For targets on the scale of the model, each with the same output."""
    target = torch.tensor((np.log1p(counts) - center) / scale).float().reshape(1, -1, 1)
    logarithm = np.logaddexp(0, outputs[0] * scale + center)
    mean, alpha = np.expm1(logarithm) + 1e-6, np.logaddexp(0, outputs[1]) + 1e-6
    expected = {
        Poisson: poisson(mean).logpmf(counts),
        NegativeBinomial: nbinom(1 / alpha, 1 / (1 + alpha * mean)).logpmf(counts),
    }
    for kind, logpmf in expected.items():
        likelihood = kind()
        likelihood.center, likelihood.scale = [center], [scale]
        output = torch.tensor(outputs[: likelihood.num_parameters]).expand(1, len(counts), 1, -1)
        loss = likelihood.compute_loss(output, target, None)
        assert loss.item() == pytest.approx(-logpmf.mean(), rel=1e-2, abs=1e-3)
        # scaled back, samples are counts of that mean
        samples = likelihood.sample(output.expand(4000, -1, -1, -1))
        drawn = np.expm1(samples.double().numpy() * scale + center)
        np.testing.assert_allclose(drawn, drawn.round(), rtol=1e-4, atol=1e-4)
        variance = mean + (alpha * mean**2 if kind is NegativeBinomial else 0)
        assert drawn.mean() == pytest.approx(mean, abs=6 * np.sqrt(variance / 4000) + 1e-3)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson"])
@pytest.mark.parametrize(
    "model", ["tide", "nhits", "tsmixer", "dlinear", "nlinear", "tft", "nbeats", "tcn", "rnn"]
)
def test_every_model_trains_on_counts(model: str, likelihood: str, run: Run, workdir: Path) -> None:
    """Of any size: an untrained network returns numbers around 0."""
    write_counts((3, 300, 30_000))
    options = [f"model={model}", f"likelihood={likelihood}", "num_samples=50"]
    options += ["model.normalize=false"] if model == "nlinear" else []
    options += ["model.training_length=16"] if model == "rnn" else []
    done = run("train", *COUNTS, *options, "hydra.run.dir=run")
    assert done.code == 0, done.out + done.err
    table = pl.read_parquet("run/forecasts.parquet")
    assert table["q0.1"].min() > -1e-3
    assert table["q0.9"].is_finite().all()
    assert run("predict", "run=run", "output=f.csv").code == 0
    assert (pd.read_csv("f.csv")["y"] > -1e-3).all()


def test_counts_are_learned(run: Run, workdir: Path) -> None:
    write_counts((20, 300, 30_000))
    options = ["model=tide", "likelihood=negative_binomial", "trainer.max_epochs=40"]
    assert run("train", *COUNTS, *options, "hydra.run.dir=run").code == 0
    scores = json.loads(Path("run/metrics.json").read_text())
    assert scores["test"]["model"]["mase"] < 0.95 * scores["test"]["baseline"]["mase"]
    assert 0.5 < scores["test_quantiles"]["coverage_80"] < 0.98


@pytest.mark.parametrize(
    ("numbers", "options", "message"),
    [
        ([1, 2, 3.5], [], "0 has values that are not counts, such as 3.5"),
        ([1, 2, 3], ["data.scaler=standard"], "Set data.scaler=log data.scaler_fit=global"),
        ([1, 2, 3], ["data.scaler_fit=series"], "Set data.scaler=log data.scaler_fit=global"),
        ([1, 2, 3], ["data.scaler=none"], "Set data.scaler=log data.scaler_fit=global"),
    ],
)
def test_what_is_not_a_count_is_refused(
    numbers: list[float], options: list[str], message: str, run: Run, workdir: Path
) -> None:
    rows = "".join(f"{name},{step},{numbers[step % 3]}\n" for name in "01" for step in range(90))
    Path("counts.csv").write_text("unique_id,ds,y\n" + rows)
    done = run("train", *COUNTS, "model=tide", "likelihood=poisson", *options)
    assert done.code == 1
    printed = done.out + done.err
    assert "model.likelihood: " in printed
    assert message in printed
