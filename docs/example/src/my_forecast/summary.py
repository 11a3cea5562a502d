"""What a test showed, as text for the terminal."""

from .metrics import Metrics

LABELS = {"model": "model", "baseline": "seasonal naive"}


def summary(metrics: Metrics) -> str:
    """Return the metrics of model and baseline as a table, a column a metric."""
    names = list(metrics.test["model"])
    rows = {LABELS[forecast]: values for forecast, values in metrics.test.items()}
    for forecast, values in metrics.test_standardised.items():
        rows[f"{LABELS[forecast]}, standardised"] = values
    lines = [f"{'test':28}" + "".join(f"{name.upper():>12}" for name in names)]
    for label, values in rows.items():
        cells = [_cell(values[name]) if name in values else "" for name in names]
        lines.append(f"{label:28}" + "".join(f"{cell:>12}" for cell in cells).rstrip())
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
