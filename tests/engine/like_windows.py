"""What Windows refuses, refused here: for tests of every command on a Linux that acts like it."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pytorch_lightning.trainer.connectors import signal_connector

# the signals that Windows has, and what its module ``signal`` lacks
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
POSIX_ONLY = {"alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"}


def held() -> set[Path]:
    """Return the files that this process and its children have open or mapped."""
    found = set[str]()
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        folder = Path("/proc", str(process.pid))
        try:
            lines = (folder / "maps").read_text().splitlines()
            found |= {line.split(maxsplit=5)[-1] for line in lines if "/" in line}
            for link in (folder / "fd").iterdir():
                found.add(str(link.readlink()))
        # what has ended or been closed meanwhile is not held
        except FileNotFoundError:
            continue
    return {path for path in map(Path, found) if path.is_absolute() and path.is_file()}


def act_like_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse what Windows refuses; yield what was refused because a file was held."""
    refused = list[str]()

    def check(*paths: Any) -> None:
        for path in (Path(path).resolve() for path in paths):
            for used in held():
                if used == path or path in used.parents:
                    refused.append(str(used))
                    raise PermissionError(13, "The file is used by a process", str(used))

    def guarded(function: Callable[..., None], count: int) -> Callable[..., None]:
        def call(*arguments: Any, **keywords: Any) -> None:
            check(*arguments[:count])
            function(*arguments, **keywords)

        return call

    for name, count in (("unlink", 1), ("remove", 1), ("replace", 2)):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), count))
    rename = guarded(os.rename, 2)

    def rename_to_new(source: Any, target: Any, **keywords: Any) -> None:
        if Path(target).exists():
            raise FileExistsError(17, "The file exists", str(target))
        rename(source, target, **keywords)

    monkeypatch.setattr(os, "rename", rename_to_new)
    # with the names of files, as on Windows, and not relative to an open folder
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    for name in ("fork", "posix_fallocate", "register_at_fork"):
        monkeypatch.delattr(os, name)
    allowed = {getattr(signal, name) for name in SIGNALS}
    monkeypatch.setattr(signal, "valid_signals", lambda: allowed)
    monkeypatch.setattr(signal_connector, "_IS_WINDOWS", True)
    others = {member.name for member in signal.Signals} - SIGNALS
    for name in others | POSIX_ONLY:
        monkeypatch.delattr(signal, name)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    yield refused
