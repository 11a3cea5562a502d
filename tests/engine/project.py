"""The project that the engine is tested in: rendered with all features, once."""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

from conftest import ROOT, copy
from rendered import FEATURES

# tells processes that tests start, which import this module, where the project is
VARIABLE = "ENGINE_PROJECT"


def _render() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("template", "licenses"):
        shutil.copytree(ROOT / name, folder / "files" / name, ignore=ignore)
    shutil.copy(ROOT / "copier.yml", folder / "files")
    return copy(folder / "files", folder / "my-forecast", None, features=list(FEATURES))


if VARIABLE not in os.environ:
    os.environ[VARIABLE] = str(_render())
PROJECT = Path(os.environ[VARIABLE])

# for this process, and for those that tests start
SOURCE = str(PROJECT / "src")
sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))

_spec = importlib.util.spec_from_file_location("fixtures", PROJECT / "tests" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
# those of the project's own tests
fixtures = importlib.util.module_from_spec(_spec)
sys.modules["fixtures"] = fixtures
_spec.loader.exec_module(fixtures)
FAST, Finished = fixtures.FAST, fixtures.Finished
