"""What signals do to a training: Lightning ends it after the current batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Terminated


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turn the end of a training by a signal into an exception for that signal.

    Raises:
        Terminated: on SIGTERM; Lightning would exit with 0, as if the training had finished.
        KeyboardInterrupt: on Ctrl-C; Lightning exits with 1, the code of an error.
    """
    received: list[int] = []

    def receive(number: int, frame: Any) -> None:
        received.append(number)
        # Lightning's handler, which calls this one, is in place only while it trains
        if signal.getsignal(number) is receive:
            raise Terminated

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, receive) if in_main_thread else None
    try:
        yield
    except (SystemExit, RuntimeError) as error:
        # a worker that was ended as well raises RuntimeError
        if received:
            raise Terminated from error
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)
    # a signal during the last batch does not stop Lightning
    if received:
        raise Terminated
