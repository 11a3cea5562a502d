"""What was measured: the best settings, and how they are shown and saved."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from ..evaluation.plots import BASELINE, MODEL, finish, new_figure
from ..runs.folder import write_text

# fewer workers are preferred if they cost at most this factor more
TOLERANCE = 1.03


@dataclass(frozen=True)
class Measurement:
    """What the training costs with one choice of DataLoader settings.

    Attributes:
        num_workers: of the training DataLoader; validation is not measured.
        multiprocessing_context: their start method, None without workers.
        persistent_workers: whether they persist between epochs, None without workers.
        windows_per_second: speed of the steps after the first batch of an epoch.
        first_batch_seconds: from the start of the first epoch to its first batch.
        restart_seconds: the same for the second epoch.
        worker_mib: memory of a worker that it does not share, in MiB.
        waiting: fraction of a step that is spent waiting for its batch.
        training_seconds: estimate for the whole training as configured.
    """

    num_workers: int
    multiprocessing_context: str | None
    persistent_workers: bool | None
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
    return min(good, key=lambda m: (m.num_workers, m.training_seconds))


def table(measurements: list[Measurement]) -> str:
    """Return a table for the terminal, in which the best measurement is marked."""
    lines = [
        f"{'workers':>7} {'start':10} {'persist':7} {'windows/s':>10} {'1st batch':>10} "
        f"{'restart':>8} {'MiB each':>8} {'waiting':>8} {'training':>9}"
    ]
    for m in measurements:
        mark = "  <- best" if m == best(measurements) else ""
        persistent = "-" if m.persistent_workers is None else str(m.persistent_workers).lower()
        lines.append(
            f"{m.num_workers:7} {m.multiprocessing_context or '-':10} {persistent:7} "
            f"{m.windows_per_second:10,.0f} {m.first_batch_seconds:8.2f} s "
            f"{m.restart_seconds:6.2f} s {m.worker_mib:8.0f} {m.waiting:8.0%} "
            f"{m.training_seconds:7.0f} s{mark}"
        )
    return "\n".join(lines)


def draw(measurements: list[Measurement]) -> Figure:
    """Draw the estimated training time of each measurement as a bar, the best one in red."""
    figure, axes = new_figure((10.0, 1.2 + 0.32 * len(measurements)))
    labels = [
        f"{m.num_workers} {m.multiprocessing_context or ''}"
        f"{', persistent' if m.persistent_workers else ''}"
        for m in measurements
    ]
    colors = [MODEL if m == best(measurements) else BASELINE for m in measurements]
    bars = axes.barh(labels, [m.training_seconds for m in measurements], color=colors)
    axes.bar_label(bars, fmt="%.0f s", padding=4)
    axes.invert_yaxis()
    title = "Estimated training time by loader settings, the best in red"
    axes.set(title=title, xlabel="seconds", ylabel="workers")
    axes.margins(x=0.1)
    return finish(figure)


def write_local(measurement: Measurement, folder: Path) -> Path:
    """Write the settings of a measurement to ``dataloader.yaml`` in ``folder``, for later runs."""
    lines = ["# measured on this computer by doctor.py; delete this file to return to auto"]
    for name in ("num_workers", "multiprocessing_context", "persistent_workers"):
        value = getattr(measurement, name)
        if value is not None:
            lines.append(f"{name}: {str(value).lower()}")
    path = folder / "dataloader.yaml"
    write_text(path, "\n".join(lines) + "\n")
    return path
