"""Log messages of DataLoader workers, forwarded to the log of the run.

Spawned workers do not inherit the logging configuration; without this, their messages are lost.
"""

import logging
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from logging.handlers import QueueHandler, QueueListener
from typing import Any


@contextmanager
def collect_logs(start_method: str | None) -> Iterator[Callable[[int], None] | None]:
    """Yield a ``worker_init_fn`` that forwards log records here; None without workers."""
    if start_method is None:
        yield None
        return
    queue = multiprocessing.get_context(start_method).Queue()
    listener = QueueListener(queue, _Forward())
    listener.start()
    try:
        yield partial(_log_to_queue, queue, logging.getLogger().level)
    finally:
        listener.stop()


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _log_to_queue(queue: Any, level: int, worker: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [QueueHandler(queue)]
    root.setLevel(level)
