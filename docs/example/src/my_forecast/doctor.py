"""What ``doctor.py`` prints; models and plots are imported only where it measures."""

from datetime import datetime
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from .dataloader import plan_loader
from .gpu import cuda_advice, nvidia_gpu
from .machine import Machine, describe, detect
from .settings import TrainSettings, doctor_settings, train_settings
from .workload import GATHERED


def doctor(config: DictConfig) -> None:
    """Print what matters for training on this machine, and the loader plan it leads to.

    The plan is that of ``train.py`` for windows in memory, which is what all models in
    ``conf/model`` train on. With ``measure=true`` real training steps are measured.
    """
    settings = train_settings(config)
    machine = detect(settings.trainer.get("accelerator", "auto"))
    gpu = nvidia_gpu()
    for label, value in describe(machine, gpu).items():
        print(f"{label:15} {value}")
    advice = cuda_advice(gpu)
    if advice:
        print(f"\nWarning: {advice}")
    print("\nLoader plan of train.py")
    for name, choice in plan_loader(settings.dataloader, machine, GATHERED).choices().items():
        value = "-" if choice.value is None else choice.value
        print(f"  {name:24} {value!s:12} {choice.reason}")
    wanted = doctor_settings(config)
    if wanted.measure:
        local = _conf() / "local" if wanted.write else None
        _measure(settings, machine, wanted.batches, local)


def _measure(settings: TrainSettings, machine: Machine, batches: int, local: Path | None) -> None:
    """Measure the grid, print and draw it, and write the best settings into ``local``."""
    from .data import open_storage
    from .measuring import best, measure_grid, table, write_local
    from .plots import plot_loader_grid
    from .training import build_model, make_windows, prepare_data

    folder = Path("outputs", "doctor", datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    folder.mkdir(parents=True)
    model = build_model(settings, folder)
    with open_storage(settings.data.storage, folder) as storage:
        prepared = prepare_data(model, settings, storage)
        train, _ = make_windows(model, settings, prepared, machine)
        print(f"\nMeasuring {batches} steps of {model.batch_size} windows, twice for each setting")
        measured = measure_grid(settings, train, machine, batches)
    text = table(measured)
    print(text)
    (folder / "loader.txt").write_text(text + "\n", encoding="utf-8")
    labels = [
        f"{m.num_workers} {m.multiprocessing_context or ''}"
        f"{', persistent' if m.persistent_workers else ''}"
        for m in measured
    ]
    fastest = best(measured)
    plot_loader_grid(
        folder / "loader.png",
        labels,
        [m.training_seconds for m in measured],
        measured.index(fastest),
    )
    print(f"Saved in {folder}")
    if local is not None:
        path = write_local(fastest, local)
        print(f"Wrote {path}: train.py uses it unless you set dataloader values yourself")


def _conf() -> Path:
    """Return the folder of the config files."""
    sources = HydraConfig.get().runtime.config_sources
    return next(Path(source.path) for source in sources if source.provider == "main")
