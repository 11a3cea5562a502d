"""What the project adds to Lightning's Trainer in every training."""

from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any, NoReturn, cast

import torch
from pytorch_lightning import Callback
from pytorch_lightning.profilers import PassThroughProfiler
from torch.nn import AvgPool1d
from torch.nn.functional import pad

from ..data import Panel, show_time
from ..data.checks import shown
from ..errors import UserError
from ..loading.epoch_order import EpochOrder, GatheredBatches, ResumableLoader
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
        train, validation, arguments = data.train_dataset, data.val_dataset, data.dataloader_kwargs
        others = {key: arguments[key] for key in arguments if key != "drop_last"}
        order = EpochOrder(len(train), data.batch_size, self.seed)
        in_process = arguments.get("num_workers", 0) == 0 and not arguments["pin_memory"]
        if isinstance(train, WindowDataset) and in_process:
            data.train_dataloader = lambda: GatheredBatches(train, order)
        else:
            data.train_dataloader = lambda: ResumableLoader(train, batch_sampler=order, **others)
        if validation is None:
            return
        in_order = EpochOrder(len(validation), data.batch_size)
        if isinstance(validation, WindowDataset):
            data.val_dataloader = lambda: GatheredBatches(validation, in_order)
        else:
            data.val_dataloader = lambda: ResumableLoader(
                validation, batch_sampler=in_order, **others
            )


class SparseLossLog(Callback):
    """Log the training loss only at steps at which a logger or a callback reads it.

    Darts logs it at every step, which takes as long as the step itself of a small model. Loggers
    read it every ``trainer.log_every_n_steps`` steps, callbacks at the end of an epoch.
    """

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Wrap the ``log`` method of the module."""
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


class FiniteLoss(Callback):
    """Stop a training whose loss or weights are NaN or infinite, and name the batch.

    The losses stay on their device until a loss is logged, an epoch ends or a checkpoint is saved,
    because reading one makes the CPU wait for the GPU.
    """

    def __init__(self, panel: Panel) -> None:
        """Watch the training on the windows of ``panel``."""
        self._names, self._times = panel.names, panel.times
        self._losses: list[torch.Tensor] = []
        self._failed: Any = None
        self._batch: int | None = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss, and check it with those before it now and then."""
        if outputs is not None:
            self._losses.append(outputs["loss"])
        if len(self._losses) >= (trainer.log_every_n_steps or 50) or trainer.is_last_batch:
            self._check_losses(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Check the validation loss."""
        loss = trainer.callback_metrics.get("val_loss")
        if loss is not None and not loss.isfinite():
            refuse_training(trainer, f"the validation loss is {loss:g}")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Check what would be saved."""
        self._check_losses(trainer)
        if not all_finite(pl_module):
            refuse_training(trainer, "the weights are not finite")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Check the weights, which may not have been saved."""
        self.on_save_checkpoint(trainer, pl_module, {})

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Keep the trainer, which Darts gives to its model only after the fit, and the batch."""
        self._failed = trainer
        if trainer.training:
            self._batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1

    def refuse_output(self) -> NoReturn:
        """Raise UserError: the output of the model is NaN, after which loss, or for which batch."""
        self._check_losses(self._failed)
        batch = self._batch
        where = "" if batch is None else f", batch {batch}{self._windows(self._failed, batch)}"
        refuse_training(self._failed, "the model's output is NaN", where)

    def _check_losses(self, trainer: Any) -> None:
        losses, self._losses = self._losses, []
        if losses and not (finite := torch.stack(losses).isfinite()).all():
            first = int(finite.int().argmin())
            done = trainer.fit_loop.epoch_loop.batch_progress.current.processed
            batch = done - len(losses) + first
            where = f", batch {batch}{self._windows(trainer, batch)}"
            refuse_training(trainer, f"the loss is {losses[first]:g}", where)

    def _windows(self, trainer: Any, batch: int) -> str:
        """Return the windows of a batch of the current epoch, those with large values first."""
        windows = trainer.datamodule.train_dataset
        order = copy(getattr(trainer.train_dataloader, "batch_sampler", None))
        if not (isinstance(windows, WindowDataset) and isinstance(order, EpochOrder)):
            return ""
        order.batches = batch
        indices = order.remaining()[: order.batch_size]
        size = windows.__getitems__(indices).past_target.abs().amax(dim=(1, 2))
        series, start = windows.locate(indices[size.argsort(descending=True).cpu().numpy()])
        texts = [
            f"{self._names[number]!r} from {show_time(self._times[position])}"
            for number, position in zip(series, start, strict=True)
        ]
        return f" ({shown(texts, len(texts))})"


def all_finite(module: torch.nn.Module) -> bool:
    """Return whether no weight is NaN or infinite."""
    return all(bool(weights.isfinite().all()) for weights in module.parameters())


def refuse_training(trainer: Any, what: str, where: str = "") -> NoReturn:
    """Raise UserError: the training cannot go on, because of ``what``, in the batch ``where``."""
    raise UserError(
        f"training: {what} in epoch {trainer.current_epoch}{where}. Lower "
        "model.optimizer_kwargs.lr, clip gradients (trainer.gradient_clip_val=1), or set another "
        "data.scaler or likelihood."
    )


class FastAveragePools(Callback):
    """Compute the moving average of DLinear with a cumulative sum, 60 times as fast on a CPU.

    The pool that it replaces has no weights, so saved models do not change.
    """

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Replace the pools that average every window of consecutive steps."""
        for module in [*pl_module.modules()]:
            for name, pool in module.named_children():
                if type(pool) is AvgPool1d and pool.stride == (1,) and pool.padding == (0,):
                    [size] = cast("tuple[int]", pool.kernel_size)
                    setattr(module, name, CumulativeAveragePool(size))


class CumulativeAveragePool(AvgPool1d):
    """``AvgPool1d`` with a stride of 1, equal up to rounding."""

    def __init__(self, size: int) -> None:
        """Average ``size`` steps."""
        super().__init__(size, stride=1)
        self.size = size

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Average values of shape (batch, components, steps)."""
        # on CUDA, sums are not deterministic, and the original is fast
        if values.is_cuda:
            return super().forward(values)
        # DLinear relies on the memory layout that the original gives: components last
        sums = pad(values.transpose(-1, -2), (0, 0, 1, 0)).cumsum(dim=-2)
        averages = (sums[..., self.size :, :] - sums[..., : -self.size, :]) / self.size
        return averages.transpose(-1, -2)


class NoProfiler(PassThroughProfiler):
    """Lightning's default profiler without the context manager it creates around every hook."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Return a context that does nothing."""
        return nullcontext()
