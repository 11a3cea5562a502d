"""The commands of a rendered project, and a page about what the stories show."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from stories import FULL
from stories.page import Page

Figure = Callable[[int, str, str, float, float], None]


def pytest_configure(config: pytest.Config) -> None:
    """Write docs/stories.md after a full run, in the process that gathers the results."""
    if FULL and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Page())


if find_spec("darts") is not None:
    from engine.project import fixtures

    run, workdir, no_network = fixtures.run, fixtures.workdir, fixtures.no_network


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Return a function that compares a number of the project with the same one of other code."""

    def compare(line: int, what: str, data: str, project: float, other: float) -> None:
        assert project == pytest.approx(other, rel=1e-4), what
        record_property("figure", [line, what, data, f"{project:.6g}", f"{other:.6g}"])

    return compare


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import no story where none will run."""
    return True if "not run" in (config.option.markexpr or "") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the stories, which need the project's dependencies, and leave the slow ones out."""
    own = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in own:
        item.add_marker(pytest.mark.run)
    slow = [item for item in own if not FULL and item.get_closest_marker("slow_story")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)
