"""What was measured: the best settings, and how they are shown and saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from ..evaluation.plots import BASELINE, MODEL, finish, new_figure
from ..loading.plan import TOLERANCE
from ..runs.folder import write_text


@dataclass(frozen=True)
class Measurement:
    """What the training costs with one choice of DataLoader settings.

    Attributes:
        settings: as in the config; only ``num_workers`` where there are none.
        windows_per_second: speed of the steps after the first batch of an epoch.
        first_batch_seconds: from the start of the first epoch to its first batch.
        restart_seconds: the same for the second epoch.
        worker_mib: memory of a worker that it does not share, in MiB.
        waiting: fraction of a step that is spent waiting for its batch.
        training_seconds: estimate for the whole training as configured.
    """

    settings: dict[str, Any]
    windows_per_second: float
    first_batch_seconds: float
    restart_seconds: float
    worker_mib: float
    waiting: float
    training_seconds: float


def best(measurements: list[Measurement]) -> Measurement:
    """Return the one with the fewest workers among those with the shortest training."""
    shortest = min(m.training_seconds for m in measurements)
    good = [m for m in measurements if m.training_seconds <= shortest * TOLERANCE]
    return min(good, key=lambda m: (m.settings["num_workers"], m.training_seconds))


def table(measurements: list[Measurement]) -> str:
    """Return a table for the terminal, in which the best measurement is marked."""
    rows = [
        {
            "workers": m.settings["num_workers"],
            "start": m.settings.get("multiprocessing_context", "-"),
            "persist": str(m.settings.get("persistent_workers", "-")).lower(),
            "windows/s": f"{m.windows_per_second:,.0f}",
            "1st batch": f"{m.first_batch_seconds:.2f} s",
            "restart": f"{m.restart_seconds:.2f} s",
            "MiB each": f"{m.worker_mib:.0f}",
            "waiting": f"{m.waiting:.0%}",
            "training": f"{m.training_seconds:.0f} s",
            "": "<- best" if m == best(measurements) else "",
        }
        for m in measurements
    ]
    return str(pd.DataFrame(rows).to_string(index=False))


def draw(measurements: list[Measurement]) -> Figure:
    """Draw the estimated training time of each measurement as a bar, the best one in red."""
    figure, axes = new_figure((10.0, 1.2 + 0.32 * len(measurements)))
    labels = [", ".join(str(value).lower() for value in m.settings.values()) for m in measurements]
    colors = [MODEL if m == best(measurements) else BASELINE for m in measurements]
    bars = axes.barh(labels, [m.training_seconds for m in measurements], color=colors)
    axes.bar_label(bars, fmt="%.0f s", padding=4)
    axes.invert_yaxis()
    title = "Estimated training time by loader settings, the best in red"
    axes.set(title=title, xlabel="seconds", ylabel="workers, start method, persistent")
    axes.margins(x=0.1)
    return finish(figure)


def write_local(measurement: Measurement, folder: Path) -> Path:
    """Write the settings of a measurement to ``dataloader.yaml`` in ``folder``, for later runs."""
    path = folder / "dataloader.yaml"
    comment = "# measured on this computer by doctor.py; delete this file to return to auto"
    write_text(path, f"{comment}\n{yaml.safe_dump(measurement.settings, sort_keys=False)}")
    return path
