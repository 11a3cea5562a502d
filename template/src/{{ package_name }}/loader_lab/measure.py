"""Train with every choice of DataLoader settings and compare the times."""

import logging
import warnings
from datetime import datetime
from itertools import product
from pathlib import Path

from darts.utils.data import TorchTrainingDataset
from hydra.core.hydra_config import HydraConfig
from tqdm import tqdm

from ..config import LoaderConfig, TrainConfig, build
from ..data import IN_MEMORY, Storage
from ..errors import UserError
from ..evaluation.plots import save_png
from ..loading.hardware import Hardware
from ..modeling.build import build_model
from ..modeling.fit import fit_model, make_windows, prepare_data
from ..runs.folder import write_text
from .results import Measurement, best, draw, table, write_local
from .timing import LoaderTimer

EPOCHS = 2


def measure_loaders(config: TrainConfig, hardware: Hardware, batches: int, write: bool) -> None:
    """Print a table of all measurements, and save it as text and as a plot.

    Each measurement has two epochs of ``batches`` steps. With ``write``, later runs use the best
    settings, from ``conf/local/dataloader.yaml``.

    Raises:
        UserError: if an epoch has a single batch.
    """
    folder = Path("outputs", "doctor", datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f"))
    folder.mkdir(parents=True)
    with (build(config.storage) or IN_MEMORY).open(folder) as storage:
        # the windows are in use until this returns
        measurements = measure_all(
            config, _windows(config, folder, hardware, storage), hardware, batches
        )
    print(table(measurements))
    write_text(folder / "loader.txt", table(measurements) + "\n")
    save_png(draw(measurements), folder / "loader.png")
    print(f"Saved in {folder}")
    if write:
        sources = HydraConfig.get().runtime.config_sources
        conf = next(Path(source.path) for source in sources if source.provider == "main")
        path = write_local(best(measurements), conf / "local")
        print(f"Wrote {path}: train.py uses it unless you set dataloader values yourself")


def settings_to_measure(hardware: Hardware) -> list[LoaderConfig]:
    """Return no workers, and 1, 2, 4, ... workers with every start method and persistence."""
    workers = [n for n in (1, 2, 4, 8, 16) if n <= max(2, hardware.usable_cpus)]
    names = "num_workers", "multiprocessing_context", "persistent_workers"
    return [LoaderConfig(num_workers=0)] + [
        LoaderConfig.model_validate(dict(zip(names, (number, method, kept), strict=True)))
        for method, number, kept in product(hardware.start_methods, workers, (True, False))
    ]


def _windows(
    config: TrainConfig, folder: Path, hardware: Hardware, storage: Storage
) -> TorchTrainingDataset:
    model = build_model(config, folder)
    return make_windows(model, config, prepare_data(model, config, storage), hardware)[0]


def measure_all(
    config: TrainConfig, windows: TorchTrainingDataset, hardware: Hardware, batches: int
) -> list[Measurement]:
    """Train for two short epochs with every setting; raises UserError as ``measure_loaders``."""
    batch_size = config.model["batch_size"]
    if min(batches, len(windows) / batch_size) <= 1:
        raise UserError(
            f"measure: with measure.batches={batches}, model.batch_size={batch_size} and "
            f"{len(windows)} windows, an epoch ends after its first batch. "
            "Increase measure.batches, decrease "
            "model.batch_size, or use more data."
        )
    print(f"\nMeasuring {EPOCHS} epochs of {batches} steps with each setting")
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings(action="ignore"):
            settings = tqdm(settings_to_measure(hardware), "Measuring", unit="setting")
            return [_measure(config, loader, windows, hardware, batches) for loader in settings]
    finally:
        logging.disable(logging.NOTSET)


def _measure(
    config: TrainConfig,
    loader: LoaderConfig,
    windows: TorchTrainingDataset,
    hardware: Hardware,
    batches: int,
) -> Measurement:
    workers = loader.num_workers
    trainer = {
        "max_epochs": EPOCHS,
        "limit_train_batches": batches,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "profiler": {"_target_": f"{LoaderTimer.__module__}.LoaderTimer", "workers": workers},
    }
    none = {"callbacks": {}, "logger": {}, "save_every_n_epochs": 0}
    changes = {"dataloader": loader, "trainer": {**config.trainer, **trainer}, **none}
    measured = config.model_copy(update=changes)
    model = build_model(measured, Path.cwd())
    fit_model(model, measured, windows, None, hardware)

    timer = model.trainer_params["profiler"]
    (first, restart), steps, waits = timer.seconds(EPOCHS)
    epochs = config.trainer.get("max_epochs", EPOCHS)
    all_steps = epochs * -(-len(windows) // model.batch_size)
    training = first + (epochs - 1) * restart + all_steps * steps.mean()
    return Measurement(
        settings=loader.model_dump(exclude_defaults=True),
        windows_per_second=model.batch_size / float(steps.mean()),
        first_batch_seconds=float(first),
        restart_seconds=float(restart),
        worker_mib=timer.worker_bytes / 2**20,
        waiting=float(waits.sum() / steps.sum()),
        training_seconds=float(training),
    )
