"""Log messages of DataLoader workers, brought into the log of the run.

A spawned worker does not know how the run logs: without this its messages are lost, or appear on
the terminal alone.
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
    """Yield a ``worker_init_fn`` for DataLoaders whose workers log into this process.

    Args:
        start_method: how the workers start; None if there are none, then None is yielded.
    """
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
    """Hands a record to the logger of its name, as if it had been made here."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _log_to_queue(queue: Any, level: int, worker: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [QueueHandler(queue)]
    root.setLevel(level)
