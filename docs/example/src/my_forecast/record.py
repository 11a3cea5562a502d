"""The record of a run: what it was, what it ran on, and where to find it again."""

import json
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .dataloader import LoaderPlan
from .errors import UserError
from .settings import TrainSettings, plain, train_settings

CONFIG, RECORD, METRICS, BUNDLE = "config.yaml", "record.json", "metrics.json", "bundle"
FINGERPRINT = "data_fingerprint.txt"
PACKAGES = (
    "darts",
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "numpy",
    "pandas",
    "scikit-learn",
)


def write_config(folder: Path, config: DictConfig) -> None:
    """Write the composed config with all interpolations resolved.

    Raises:
        UserError: when the folder already holds a run, which is not overwritten.
    """
    if (folder / CONFIG).exists():
        raise UserError(
            f"hydra.run.dir: '{folder}' already holds a run, which is not overwritten. Name "
            "another folder, or leave hydra.run.dir out."
        )
    OmegaConf.save(OmegaConf.create(plain(config)), folder / CONFIG)


def run_record(
    settings: TrainSettings, plan: LoaderPlan, fingerprint: str, seconds: dict[str, float]
) -> dict[str, Any]:
    """Return what is needed to understand and repeat a run, ready for JSON.

    Args:
        settings: of the run.
        plan: the loader plan that was used.
        fingerprint: of the data, from ``data.fingerprint``.
        seconds: wall time of each stage.
    """
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": settings.seed,
        "data_fingerprint": fingerprint,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "dataloader": {
            name: {"value": choice.value, "reason": choice.reason}
            for name, choice in plan.choices().items()
        },
        "git": git_state(Path(__file__).parent),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented UTF-8 JSON."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the revision and whether there were uncommitted changes; None outside of git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return result.stdout.strip()

    try:
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def find_run(run: str, key: str = "run") -> Path:
    """Return the folder of a finished run.

    Args:
        run: the folder, or ``latest`` for the newest one under ``outputs``.
        key: the setting that holds it, for messages.

    Raises:
        UserError: when it is not the folder of a finished training run.
    """
    if run == "latest":
        records = sorted(Path("outputs").rglob(RECORD), key=lambda path: path.stat().st_mtime)
        if not records:
            raise UserError(
                f"{key}=latest: there is no finished run under 'outputs'. Train one first."
            )
        return records[-1].parent
    folder = Path(run)
    if not folder.is_dir():
        raise UserError(f"{key}: there is no folder '{folder}'. Name a run of train.py, or latest.")
    for name in (RECORD, f"{BUNDLE}/{CONFIG}"):
        if not (folder / name).is_file():
            raise UserError(
                f"{key}: '{folder}' holds no {name}, so it is not a finished run of train.py."
            )
    return folder


def unfinished_config(folder: Path) -> DictConfig:
    """Return the config of a run that was killed.

    Raises:
        UserError: when the folder holds no run, a finished one, or one from another place.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(f"resume: '{folder}' holds no {CONFIG}, so it is not a run of train.py.")
    if (folder / RECORD).is_file():
        raise UserError(
            f"resume: the run in '{folder}' is finished. finetune={folder} starts a new run from "
            "its weights."
        )
    config = OmegaConf.load(folder / CONFIG)
    assert isinstance(config, DictConfig)
    if folder.resolve() != Path(config.paths.output_dir).resolve():
        raise UserError(
            f"resume: '{folder}' was moved. Its settings name {config.paths.output_dir}; move it "
            "back there."
        )
    return config


def check_same_data(run_dir: Path, digest: str) -> None:
    """Remember the data of a new run; make sure that a resumed one has the same.

    Args:
        run_dir: folder of the run.
        digest: from ``data.fingerprint``.

    Raises:
        UserError: when the data is not what the run began with.
    """
    path = run_dir / FINGERPRINT
    if path.is_file() and path.read_text(encoding="utf-8") != digest:
        raise UserError(
            "resume: the data changed since the run began. Bring it back as it was, or train anew."
        )
    path.write_text(digest, encoding="utf-8")


def remove_leftovers(run_dir: Path) -> None:
    """Delete what a killed run was writing, and writes again: its bundle and its mapped values."""
    for folder in (run_dir / BUNDLE, *run_dir.glob("storage-*")):
        if folder.is_dir():
            shutil.rmtree(folder)


def read_settings(run_dir: Path) -> TrainSettings:
    """Return the settings that a run was trained with, from its bundle."""
    config = OmegaConf.load(run_dir / BUNDLE / CONFIG)
    assert isinstance(config, DictConfig)
    return train_settings(config)


def read_record(run_dir: Path) -> dict[str, Any]:
    """Return the record of a run, from ``run_record``."""
    record: dict[str, Any] = json.loads((run_dir / RECORD).read_text(encoding="utf-8"))
    return record


def recorded_folder(run_dir: Path) -> str:
    """Return the folder of a run as it was when the run was made; it may lie elsewhere now."""
    return str(OmegaConf.load(run_dir / BUNDLE / CONFIG).paths.output_dir)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
