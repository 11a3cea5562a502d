"""What every DataLoader worker starts with: its log goes to the run, and it ends with the training.

Spawned workers do not inherit the logging configuration; without this, their messages are lost.
"""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from logging.handlers import QueueHandler, QueueListener
from threading import Thread
from typing import Any


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
