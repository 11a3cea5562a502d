"""What every DataLoader worker starts with: its log goes to the run, and it ends with the training.

Spawned workers do not inherit the logging configuration; without this, their messages are lost.
Signals that stop a training often reach all its processes at once, from a terminal, Slurm or
systemd. Workers ignore them, so that the training gets its last batch, saves, and ends them itself.
"""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.util import Finalize
from threading import Thread
from typing import Any

STOPS = "SIGINT", "SIGTERM", "SIGUSR1"


@contextmanager
def attend_workers(start_method: str | None) -> Iterator[Callable[[int], None] | None]:
    """Yield a ``worker_init_fn`` that forwards log records here; None without workers.

    A worker that it starts ends at most a second after this process, even if that was killed.
    """
    if start_method is None:
        yield None
        return
    queue = multiprocessing.get_context(start_method).Queue()
    listener = QueueListener(queue, _Forward())
    listener.start()
    try:
        yield partial(_start, queue, logging.getLogger().level)
    finally:
        listener.stop()


@contextmanager
def ignoring_stops() -> Iterator[None]:
    """Start workers that ignore the signals that stop a training, and end with this process."""
    _end_workers_of(os.getpid())
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    stops = [getattr(signal, name) for name in STOPS]
    # processes inherit what this thread blocks; another thread may still receive a signal meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@cache
def _end_workers_of(pid: int) -> None:
    # unlike atexit, it also works in a process of multiprocessing, which ends without that
    Finalize(None, _end_workers, exitpriority=0)


def _end_workers() -> None:
    """Kill workers that are left; Python would send SIGTERM, which they ignore, and wait."""
    if hasattr(signal, "SIGCHLD"):
        # torch's handler raises when a worker is killed
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _start(queue: Any, level: int, worker: int) -> None:
    Thread(target=_end_with_training, daemon=True).start()
    root = logging.getLogger()
    root.handlers[:] = [QueueHandler(queue)]
    root.setLevel(level)


def _end_with_training() -> None:
    # torch looks at the parent of a worker, which is not the training but the fork server
    training, parent = multiprocessing.parent_process(), os.getppid()
    # a forked worker has a copy of the pipe that tells whether the training is alive
    while training is not None and training.is_alive() and os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
