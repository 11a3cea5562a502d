"""How much better the model is than the baseline, and whether that could be chance."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_1samp

from .backtest import Backtest
from .inference import Array

# fewer blocks could hardly ever show a difference; more would be shorter, so that their means
# depend on each other where errors persist
MIN_BLOCKS, MAX_BLOCKS = 3, 10


@dataclass(frozen=True)
class Skill:
    """The model compared to the baseline.

    Attributes:
        score: 1 - MAE of the model / MAE of the baseline. 1 is perfect, 0 is as good as the
            baseline, below 0 is worse; None for a baseline without errors.
        p_value: probability of a difference at least this large if both were equally good; None
            with fewer than ``MIN_BLOCKS`` blocks.
        blocks: number of stretches of time that the test compares.
        baseline: its name.
    """

    score: float | None
    p_value: float | None
    blocks: int
    baseline: str

    def __str__(self) -> str:
        """Say how the model compares to the baseline, and whether the difference may be chance."""
        if self.score is None:
            return f"undefined, because the {self.baseline} forecast has no error"
        # single precision computes no closer
        if abs(self.score) < 1e-4:
            return f"none, MAE equal to that of the {self.baseline} forecast"
        comparison = "lower" if self.score >= 0 else "higher"
        text = f"MAE {abs(self.score):.1%} {comparison} than the {self.baseline} forecast"
        if self.p_value is None:
            return f"{text}; the test part is too short for a significance test"
        return f"{text} (p = {self.p_value:.2g}, t-test over {self.blocks} blocks of time)"


def compute_skill(backtest: Backtest) -> Skill:
    """Compare the mean absolute errors of model and baseline.

    Forecasts from neighbouring origins share most of their steps, and forecasts of different series
    share their times, so their errors depend on each other. The test therefore divides time into a
    few blocks of at least two horizons, averages the difference of all forecasts that start in a
    block, and applies a t-test to these averages (Ibragimov and Müller 2010,
    doi:10.1198/jbes.2009.08046).

    Of 100 simulated backtests of two equally good models, with 100 to 400 forecasts of 12 to 26
    steps, it finds a difference at the 5% level in 5 to 10; the usual test of Diebold and Mariano
    (1995, doi:10.1080/07350015.1995.10524599) with Newey-West errors in 14 to 30.
    """
    # forecasts with known values
    kept = backtest.weights > 0
    weights, position = backtest.weights[kept], backtest.origins.position[kept]
    model, baseline = (weights * backtest.mae(name)[kept] for name in ("model", "baseline"))
    time = position - position.min()
    span = time.max() + 1
    block = time * int(np.clip(span // (2 * backtest.horizon), 1, MAX_BLOCKS)) // span
    counts, sums = np.bincount(block, weights), np.bincount(block, baseline - model)
    means = sums[counts > 0] / counts[counts > 0]
    testable = len(means) >= MIN_BLOCKS and np.ptp(means) > 0
    return Skill(
        score=float(1 - model.mean() / baseline.mean()) if baseline.mean() > 0 else None,
        p_value=float(ttest_1samp(means, 0).pvalue) if testable else None,
        blocks=len(means),
        baseline=backtest.baseline,
    )


def skill_by_series(backtest: Backtest) -> Array:
    """Return the skill score of every series, NaN where the baseline has no error."""
    series, weights = backtest.origins.series, backtest.weights
    model, baseline = (
        np.bincount(series, weights * np.nan_to_num(backtest.mae(name)))
        for name in ("model", "baseline")
    )
    scores: Array = 1 - model / np.where(baseline > 0, baseline, np.nan)
    return scores
