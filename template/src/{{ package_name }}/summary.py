"""What a test showed, as text for the terminal."""

from .metrics import Metrics
from .skill import Skill, worst_series

LABELS = {"model": "model", "baseline": "seasonal naive"}
WORST = 5


def summary(metrics: Metrics, skill: Skill, quantiles: dict[str, dict[str, float]]) -> str:
    """Return the metrics of model and baseline as a table, the skill, and the worst series.

    Args:
        metrics: of model and baseline.
        skill: of the model.
        quantiles: scores of quantile forecasts, and by which name; empty without them.
    """
    lines = [*_table(metrics), f"skill: {skill_sentence(skill)}"]
    for name, scores in quantiles.items():
        lines.append(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
    if len(metrics.by_series) > 1:
        lines += _worst(metrics)
    return "\n".join(lines)


def skill_sentence(skill: Skill) -> str:
    """Say how much better than the baseline the model is, and whether that may be chance."""
    if skill.score is None:
        return "none, for the seasonal naive forecast has no error"
    better = "better" if skill.score >= 0 else "worse"
    text = f"MAE {abs(skill.score):.1%} {better} than the seasonal naive forecast"
    if skill.p_value is None:
        return f"{text}; the test part is too short to say whether by chance"
    return f"{text} (p = {skill.p_value:.2g}, t-test over {skill.blocks} blocks of time)"


def format_number(value: float | None) -> str:
    """Return four significant digits, or ``none``."""
    return "none" if value is None or value != value else f"{value:.4g}"


def _table(metrics: Metrics) -> list[str]:
    names = list(metrics.test["model"])
    rows = {LABELS[forecast]: values for forecast, values in metrics.test.items()}
    for forecast, values in metrics.test_standardised.items():
        rows[f"{LABELS[forecast]}, standardised"] = values
    lines = [f"{'test':28}" + "".join(f"{name.upper():>12}" for name in names)]
    for label, values in rows.items():
        cells = [format_number(values[name]) if name in values else "" for name in names]
        lines.append((f"{label:28}" + "".join(f"{cell:>12}" for cell in cells)).rstrip())
    return lines


def _worst(metrics: Metrics) -> list[str]:
    worst = worst_series(metrics.by_series, WORST)
    columns = [name for name in ("model_mase", "baseline_mase", "skill") if name in worst]
    width = max(28, *(len(name) + 2 for name in worst["series"]))
    title = f"worst of {len(metrics.by_series)} series"
    lines = [f"{title:{width}}" + "".join(f"{name.replace('_', ' '):>16}" for name in columns)]
    for _, row in worst.iterrows():
        lines.append(f"{row['series']:{width}}" + "".join(f"{row[c]:16.4g}" for c in columns))
    return lines
