"""Files of a run that are damaged: named with a remedy, or not needed, but never used."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from engine.project import Finished
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from my_forecast import load_run
from my_forecast.commands.train import train
from my_forecast.compare import read_run
from my_forecast.config import TrainConfig, check_config
from my_forecast.errors import UserError
from my_forecast.runs.folder import checked, write_json, write_sums, write_text
from omegaconf import DictConfig

from reliability import FULL
from reliability.runs import NAMES, damages, trained, unfinished

Config = Callable[..., DictConfig]
Command = Callable[..., Finished]
# what can be done with a run whose files are damaged
USES: dict[str, Callable[[Path], Any]] = {
    "forecast": lambda folder: load_run(folder, "cpu").forecast(horizon=2),
    "record": lambda folder: load_run(folder, "cpu").record,
    "metrics": lambda folder: load_run(folder, "cpu").metrics,
    "compare": lambda folder: read_run(folder)[1:],
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two finished runs of the same model."""
    folder = tmp_path_factory.mktemp("runs")
    return trained(folder / "run"), trained(folder / "other", "seed=1")


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named_or_not_needed(
    name: str, runs: tuple[Path, Path], workdir: Path
) -> None:
    """Truncate, flip, empty, remove and exchange each file of a run; use it from Python."""
    run, other = runs
    folder = workdir / "run"
    shutil.copytree(run, folder)
    expected = {use: act(folder) for use, act in USES.items()}
    content = (run / name).read_bytes()
    named = 0
    for damage, damaged in damages(content, (other / name).read_bytes()):
        path = folder / name
        path.unlink() if damaged is None else path.write_bytes(damaged)
        for use, act in USES.items():
            try:
                found = act(folder)
            except UserError as error:
                message = str(error)
            else:
                same = found.equals(expected[use]) if use == "forecast" else found == expected[use]
                assert same, (damage, use)
                continue
            named += 1
            assert Path(name).name in message, (damage, use)
            assert "Restore the" in message or "Finish it" in message, (damage, use)
            assert "\n" not in message
        path.write_bytes(content)
    # only resume= reads it, which a finished run refuses
    assert (named == 0) == (name == "data_fingerprint.txt")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("bundle/model.pt.ckpt", ["evaluate", "run=outputs/train/run"]),
        ("bundle/model.pt.ckpt", ["predict", "run=latest", "output=f.csv"]),
        ("bundle/model.pt.ckpt", ["train", "finetune=latest"]),
        ("bundle/scalers.pkl", ["predict", "run=latest", "output=f.csv"]),
        ("bundle/config.yaml", ["evaluate", "run=latest"]),
        ("record.json", ["evaluate", "run=latest"]),
    ],
)
def test_commands_name_the_damaged_file(
    name: str, command: list[str], runs: tuple[Path, Path], run: Command, workdir: Path
) -> None:
    """The same with the commands."""
    folder = workdir / "outputs" / "train" / "run"
    shutil.copytree(runs[0], folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 3] ^= 1
    (folder / name).write_bytes(content)
    small = ["model=tide", "data=synthetic", "horizon=5", "model.input_chunk_length=10"]
    finished = run(*command, *(small if command[0] == "train" else []))
    printed = finished.out + finished.err
    assert finished.code == 1
    assert f"{Path(name)}' is damaged or was changed" in printed
    assert "Traceback" not in printed
    assert not list(workdir.glob("f.*"))


@given(content=st.binary(), data=st.data())
def test_any_change_of_a_file_is_seen(
    content: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Change a random file at random places."""
    folder = tmp_path_factory.mktemp("sums")
    (folder / "some.bin").write_bytes(content)
    write_sums(folder, ["some.bin"])
    assert checked(folder, "some.bin").read_bytes() == content
    changed = data.draw(st.binary().filter(lambda other: other != content))
    (folder / "some.bin").write_bytes(changed)
    with pytest.raises(UserError, match=r"some\.bin.*checksum"):
        checked(folder, "some.bin")


def test_sha256sum_reads_the_checksums(runs: tuple[Path, Path]) -> None:
    """Check a run with the program sha256sum."""
    lines = (runs[0] / "SHA256SUMS").read_text().splitlines()
    assert "bundle/SHA256SUMS" in {line[66:] for line in lines}
    assert all(len(line.split("  ")[0]) == 64 for line in lines)


def test_a_file_is_on_the_disk_before_it_gets_its_name(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut then leaves the old content or the new one, never an empty file."""
    done: list[tuple[str, int]] = []
    flush, replace = os.fsync, Path.replace

    def fsync(number: int) -> None:
        done.append(("fsync", os.fstat(number).st_ino))
        flush(number)

    def put(self: Path, target: Path) -> Path:
        done.append(("replace", self.stat().st_ino))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", put)
    write_text(workdir / "some.txt", "content")
    (step, flushed), (next_step, replaced) = done
    assert (step, next_step) == ("fsync", "replace")
    assert flushed == replaced


NUMBERS = st.recursive(
    st.floats() | st.none() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=5,
)


@settings(max_examples=30)
@given(content=st.dictionaries(st.sampled_from("abc"), NUMBERS))
def test_json_is_valid_and_keeps_every_number(
    content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Write random numbers, NaN and infinity, and read them with another parser."""
    path = tmp_path_factory.mktemp("json") / "metrics.json"
    write_json(path, content)
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    # NaN and Infinity are null; all else is as it was, to the last bit
    text = json.dumps(content)
    expected = json.loads(text, parse_constant=lambda name: None)
    assert found == expected


@pytest.mark.parametrize("writer", [[], ["writer=parts"]])
def test_a_failed_predict_does_not_block_the_next(
    writer: list[str],
    runs: tuple[Path, Path],
    run: Command,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that is full when the forecasts are written; then predict again."""
    arguments = [f"run={runs[0].as_posix()}", "output=f.csv", *writer]
    for place in ((Figure, "savefig"), (pd.DataFrame, "to_csv")):
        with monkeypatch.context() as patch:
            patch.setattr(*place, lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space")))
            assert run("predict", *arguments).code == 1
        assert not (workdir / "f.csv").exists()
        assert not (workdir / "f.png").exists()
    # nor with another writer
    assert run("predict", *arguments[:2]).code == 0
    assert len(pd.read_csv("f.csv")) == 3 * 5


def test_an_empty_fingerprint_does_not_block_the_resume(
    runs: tuple[Path, Path], config: Config, workdir: Path
) -> None:
    """Empty or cut the fingerprint of the data."""
    folder = unfinished(runs[0], workdir / "run")
    path = folder / "data_fingerprint.txt"
    whole = path.read_text()
    path.write_text(whole[:20])
    with pytest.raises(UserError, match=r"data_fingerprint\.txt' is damaged: delete that"):
        train(config("resume=run"))
    path.write_bytes(b"")
    train(config("resume=run"))
    assert path.read_text() == whole
    assert load_run("run", "cpu").metrics == load_run(runs[0], "cpu").metrics


def test_a_damaged_resume_point_is_named(
    runs: tuple[Path, Path], config: Config, workdir: Path
) -> None:
    """Cut and exchange the last checkpoint, and resume."""
    folder = unfinished(runs[0], workdir / "run")
    path = folder / "checkpoints" / "last.ckpt"
    content = path.read_bytes()
    for damage, damaged in damages(content, b""):
        if damaged is None or damage == "of another run":
            continue
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"last\.ckpt' is damaged.* or delete it"):
            train(config("resume=run"))
    path.unlink()
    train(config("resume=run"))
    assert load_run("run", "cpu").metrics == load_run(runs[0], "cpu").metrics


@pytest.mark.parametrize("cut", [b"", b"epo", b"0.25,1", b"0.25,0,,7"])
def test_a_cut_row_of_the_losses_is_dropped(
    cut: bytes, runs: tuple[Path, Path], config: Config, workdir: Path
) -> None:
    """Cut the last row of the CSV log, and resume."""
    folder = unfinished(runs[0], workdir / "run")
    path = folder / "csv_logs" / "metrics.csv"
    whole = path.read_bytes()
    path.write_bytes(cut if cut[:1] in (b"", b"e") else whole + cut)
    train(config("resume=run"))
    # nothing is trained again, so rows that are gone stay gone
    assert not path.exists() or path.read_bytes() in (b"", whole)


def test_a_cut_config_is_named(runs: tuple[Path, Path], config: Config, workdir: Path) -> None:
    """Cut the config at every place."""
    folder = unfinished(runs[0], workdir / "run")
    path = folder / "config.yaml"
    content = path.read_bytes()
    for place in range(0, len(content), 1 if FULL else len(content) // 20):
        path.write_bytes(content[:place])
        with pytest.raises(UserError, match=r"config\.yaml' is damaged .*Restore it"):
            check_config(path, TrainConfig)
    with pytest.raises(UserError, match=r"config\.yaml' is damaged .*Restore it"):
        train(config("resume=run"))


def test_a_config_may_have_the_line_ends_of_windows(
    runs: tuple[Path, Path], config: Config, workdir: Path
) -> None:
    """The config of a killed run, as an editor or Git writes it there; resume the run."""
    folder = unfinished(runs[0], workdir / "run")
    path = folder / "config.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    train(config("resume=run", f"paths.output_dir={folder.as_posix()}"))
    assert (folder / "record.json").is_file()
