"""How good quantile forecasts are: their loss, and what their intervals cover."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def central_intervals(levels: list[float]) -> list[tuple[float, float]]:
    """Return pairs of quantiles around the median, the widest first."""
    half = len(levels) // 2
    return list(zip(levels[:half], reversed(levels), strict=False))


def interval_name(low: float, high: float) -> str:
    """Return the share of values that an interval should cover, in percent: ``80``."""
    return f"{100 * (high - low):g}"


def quantile_metrics(truth: list[Array], quantiles: dict[float, list[Array]]) -> dict[str, float]:
    """Score the model's quantiles over all windows, steps, components and series.

    Args:
        truth: for each series what happened, shape (windows, horizon, components).
        quantiles: by quantile, each shaped as ``truth``.

    Returns:
        ``mql``, the mean quantile loss, and for each interval the share of values in it,
        ``coverage_80``, and its mean width, ``width_80``: Darts' ``mql``, ``mic`` and ``miw``.
    """
    actual = np.concatenate([part.ravel() for part in truth])
    flat = {
        level: np.concatenate([part.ravel() for part in parts])
        for level, parts in quantiles.items()
    }
    losses = [
        2 * np.maximum(level * (actual - value), (1 - level) * (value - actual)).mean()
        for level, value in flat.items()
    ]
    scores = {"mql": float(np.mean(losses))}
    for low, high in central_intervals(list(flat)):
        inside = (flat[low] <= actual) & (actual <= flat[high])
        name = interval_name(low, high)
        scores[f"coverage_{name}"] = float(inside.mean())
        scores[f"width_{name}"] = float((flat[high] - flat[low]).mean())
    return scores
