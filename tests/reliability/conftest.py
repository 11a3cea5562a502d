"""The fixtures of the project's own tests, for attacks on it; in full, they write a page."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from reliability import FULL
from reliability.page import Page, describe

# neither a busy machine nor chance makes a test fail; a full run draws new examples
settings.register_profile("reliability", deadline=None, derandomize=not FULL)
settings.load_profile("reliability")


def pytest_configure(config: pytest.Config) -> None:
    """Write docs/reliability.md after a full run, in the process that gathers the results."""
    if FULL and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Page())


if find_spec("darts") is not None:
    from engine.project import fixtures

    config, run, workdir = fixtures.config, fixtures.run, fixtures.workdir
    no_network, no_plots = fixtures.no_network, fixtures.no_plots
    stateful = fixtures.stateful


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import no test here where none will run."""
    return True if "not run" in (config.option.markexpr or "") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests: they need the dependencies of the rendered project."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.run)
            item.user_properties += describe(item)
