"""What the project adds to Lightning's Trainer in every training."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.profilers import PassThroughProfiler

from ..loading.epoch_order import EpochShuffle, GatheredBatches, ResumableLoader, ShuffledBatches
from ..loading.windows import WindowDataset


class FitLoaders(Callback):
    """Replace the loaders of a fit: Darts makes those of training and validation the same way.

    The order of the training windows depends on the seed and the epoch only. Validation windows
    are always gathered in this process, training windows where the loader plan has no workers.
    """

    def __init__(self, seed: int) -> None:
        """Shuffle the training windows with ``seed``."""
        self.seed = seed

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Replace the loaders, unless ``overfit_batches`` asks for the same batches every epoch."""
        if stage != "fit" or trainer.overfit_batches:
            return
        data = trainer.datamodule
        train, validation, size = data.train_dataset, data.val_dataset, data.batch_size
        order = EpochShuffle(len(train), self.seed)
        arguments = data.dataloader_kwargs
        in_process = arguments.get("num_workers", 0) == 0 and not arguments["pin_memory"]
        if isinstance(train, WindowDataset) and in_process:
            data.train_dataloader = lambda: GatheredBatches(train, size, order)
        else:
            batches = ShuffledBatches(order, size, drop_last=False)
            others = {key: arguments[key] for key in arguments if key != "drop_last"}
            data.train_dataloader = lambda: ResumableLoader(train, batch_sampler=batches, **others)
        if isinstance(validation, WindowDataset):
            data.val_dataloader = lambda: GatheredBatches(validation, size)


class SparseLossLog(Callback):
    """Log the training loss only at steps at which a logger or a callback reads it.

    Darts logs it at every step, which takes as long as the step itself of a small model. Loggers
    read it every ``trainer.log_every_n_steps`` steps, callbacks at the end of an epoch.
    """

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Wrap the ``log`` method of the module."""
        if stage != "fit":
            return
        log_always = pl_module.log

        def log(name: str, *args: Any, **kwargs: Any) -> None:
            every = trainer.log_every_n_steps
            is_read = every and (trainer.global_step + 1) % every == 0
            if name != "train_loss" or is_read or trainer.is_last_batch:
                log_always(name, *args, **kwargs)

        pl_module.__dict__["log"] = log

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Restore the method."""
        pl_module.__dict__.pop("log", None)


class NoProfiler(PassThroughProfiler):
    """Lightning's default profiler without the context manager it creates around every hook."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Return a context that does nothing."""
        return nullcontext()
