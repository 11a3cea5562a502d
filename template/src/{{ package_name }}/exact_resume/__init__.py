"""Save a training within an epoch when it has to stop, so that no step is done twice."""

import os
import signal
import subprocess
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ..modeling.resume import ResumePoint


class SaveOnSignal(Callback):
    """Save after the batch during which SIGTERM arrives, and resume to the same bits.

    Slurm announces the end of a job's time with SIGUSR1 (``sbatch --signal=USR1@60``): the job is
    then put back into the queue, and the training saves and stops as on SIGTERM.

    Where gradients are accumulated over several batches, the run resumes from the last epoch,
    because a checkpoint does not contain them. With ``save_every_n_epochs=0`` nothing is saved.
    """

    def __init__(self) -> None:
        """Handle Slurm's signal from now on, while the data is read as well."""
        job = os.environ.get("SLURM_JOB_ID")
        if job is not None and hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, lambda signum, frame: _requeue(job))

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Replace the point that the run resumes from."""
        if isinstance(exception, SIGTERMException) and trainer.accumulate_grad_batches == 1:
            for callback in trainer.callbacks:
                if isinstance(callback, ResumePoint):
                    callback.save(trainer)


def _requeue(job: str) -> None:
    subprocess.run(["scontrol", "requeue", job], check=False)
    signal.raise_signal(signal.SIGTERM)
