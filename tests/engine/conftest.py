"""The fixtures of the project's own tests, for the tests of the engine."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# neither a busy machine nor chance makes a test fail
settings.register_profile("engine", deadline=None, derandomize=True)
settings.load_profile("engine")

if find_spec("darts") is not None:
    from engine.project import fixtures

    config, run, workdir = fixtures.config, fixtures.run, fixtures.workdir
    no_network = fixtures.no_network

    @pytest.fixture(autouse=True)
    def own_code(
        request: pytest.FixtureRequest,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Let runs name what is in the module of a test, as if a file in ``conf/`` did."""
        folder = tmp_path_factory.mktemp("conf")
        names = [f"{request.module.__name__}.{name}" for name in vars(request.module)]
        shared = ["fixtures.three_waves", "engine.test_resume.StopAt"]
        text = "\n".join(f"- {name}" for name in [*names, *shared])
        (folder / "own_code.yaml").write_text(text, encoding="utf-8")
        conf = fixtures.run_config.CONF
        monkeypatch.setattr(fixtures.run_config, "CONF", [*conf, folder])


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import no test of the engine where none will run."""
    return True if "not run" in (config.option.markexpr or "") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests: they need the dependencies of the rendered project."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.run)
