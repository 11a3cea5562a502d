"""A run from someone else: nothing that its files name is run, and its config ends quickly."""

import json
import pickle
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from engine.project import FAST, Finished
from my_forecast import load_run, run_config
from my_forecast.commands.train import train
from my_forecast.compare import read_run
from my_forecast.errors import UserError
from my_forecast.modeling.bundle import FILES
from omegaconf import DictConfig

from reliability.runs import plant, signed, trained, unfinished

Config = Callable[..., DictConfig]
Command = Callable[..., Finished]
CANARY = "canary.txt"
# loading it without care opens the canary for writing
PICKLE = f"cbuiltins\nopen\n(S'{CANARY}'\nS'w'\ntR.".encode()
# modules in the folder of the run, which is importable from the working directory
EVIL = f"""
import pathlib
pathlib.Path({CANARY!r}).touch()
from my_forecast.data import Source
from darts.models import TiDEModel as Model
def load(*args, **kwargs):
    pathlib.Path({CANARY!r}).touch()
"""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run."""
    return trained(tmp_path_factory.mktemp("runs") / "run")


def node(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


def write() -> dict[str, Any]:
    """Return a node that writes the canary."""
    return node("pathlib.Path.write_text", _args_=[node("pathlib.Path", _args_=[CANARY]), "x"])


GETTER = "hydra.utils.get_method"
PLANTED: list[tuple[str, Any]] = [
    ("callbacks.evil", write()),
    ("callbacks.evil", node("pandas.read_pickle", filepath_or_buffer="run/evil.pkl")),
    ("callbacks.evil", node("torch.load", f="run/evil.pkl", weights_only=False)),
    ("callbacks.evil", node("builtins.eval", _args_=[f"open({CANARY!r}, 'w')"])),
    ("callbacks.evil", node("subprocess.Popen", args=["touch", CANARY])),
    ("callbacks.evil", node("run.evil.load")),
    ("callbacks.evil", {"_target_": "torch.nn.Identity", "inner": [node("run.evil.load")]}),
    # through modules that are allowed, to what they import
    ("callbacks.evil", node("torch.nn.modules.module.torch.load", f="run/evil.pkl")),
    ("callbacks.evil", node("darts.logging.os.system", command=f"touch {CANARY}")),
    ("callbacks.evil", node("my_forecast.runs.folder.write_text", path=CANARY, text="x")),
    ("callbacks.evil", node("my_forecast.runs.record.git_state", folder="run")),
    ("callbacks.evil", node(GETTER, path="run.evil.load")),
    ("callbacks.evil", node(GETTER, _args_=["run.evil.load"])),
    # OmegaConf makes a node of this when Hydra builds
    ("callbacks.evil", {"inner": f"${{oc.create:{{_target_: builtins.open, file: {CANARY}}}}}"}),
    ("callbacks.evil", node("${oc.env:HOME}")),
    ("callbacks.evil", node("[run.evil.load]")),
    ("logger.csv", write()),
    ("logger.evil", node("run.evil.load")),
    ("storage", node("run.evil.load")),
    ("after_run.evil", node("run.evil.load", _partial_=True)),
    ("trainer.plugins", [node("run.evil.load")]),
    ("model._target_", "run.evil.Model"),
    ("model._target_", ["run.evil.Model"]),
    ("model.loss_fn", write()),
    ("model.likelihood", node("run.evil.load")),
    ("model.torch_metrics", node("run.evil.load")),
    ("model.optimizer_cls", "run.evil.load"),
    ("model.lr_scheduler_cls", "run.evil.load"),
    ("model.lr_scheduler_cls", node(GETTER, path="run.evil.load")),
    ("data._target_", "run.evil.Source"),
    ("data.scaler", "run.evil.load"),
    ("metrics", ["mae", "run.evil.load"]),
    ("windows", node("run.evil.load", _partial_=True)),
    ("data.covariates", {"evil": node("run.evil.load", _partial_=True)}),
    ("data", "function"),
]


def change(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what sets a dotted key of a config."""

    def set_key(values: dict[str, Any]) -> None:
        *groups, name = key.split(".")
        for group in groups:
            values = values[group]
        if value == "function":
            kept = ("season_length", "validation_size", "test_size", "fill", "scaler")
            own = {one: values["data"][one] for one in kept}
            target = "my_forecast.data.sources.FunctionSource"
            values["data"] = node(target, function="run.evil.load", **own)
        else:
            values[name] = value

    return set_key


def planted(source: Path, key: str, value: Any) -> Path:
    """Plant code into a copy of a run, and pickles and a module beside it."""
    folder = plant(source, Path("run"), change(key, value))
    (folder / "evil.py").write_text(EVIL)
    (folder / "evil.pkl").write_bytes(PICKLE)
    return folder


@pytest.mark.parametrize(("key", "value"), PLANTED, ids=lambda value: str(value)[:60])
def test_no_planted_code_runs(
    key: str,
    value: Any,
    source: Path,
    config: Config,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plant code into the config, as modules, and as pickles of a run with valid checksums."""
    monkeypatch.syspath_prepend(workdir)
    folder = planted(source, key, value)
    group = re.escape(key.split(".")[0])
    message = rf"^{group}\S*: the run names .*untrusted code.*add this name to a file in conf/\.$"
    with pytest.raises(UserError, match=message):
        load_run(folder, "cpu")
    for name in ("record.json", "SHA256SUMS"):
        (folder / name).unlink()
    with pytest.raises(UserError, match=message):
        train(config("resume=run"))
    assert not (workdir / CANARY).exists()


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "run=run"],
        ["evaluate", "run=run", "backtest=retrain", "backtest.every=4"],
        ["predict", "run=run", "output=f.csv"],
        ["train", *FAST, "finetune=run"],
        ["train", "resume=run"],
    ],
    ids=lambda command: " ".join(command[-1:]),
)
def test_commands_refuse_planted_code(
    command: list[str],
    source: Path,
    run: Command,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Evaluate, predict, resume and fine-tune from such a run."""
    monkeypatch.syspath_prepend(workdir)
    folder = planted(source, "callbacks.evil", write())
    if "resume=run" in command:
        (folder / "record.json").unlink()
    finished = run(*command)
    printed = finished.out + finished.err
    assert finished.code == 1
    expected = "callbacks.evil._target_: the run names 'pathlib.Path.write_text', which may be"
    assert expected in printed
    assert "Traceback" not in printed
    assert not (workdir / CANARY).exists()


class Planted:
    """What is pickled as the call of a function."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Open the canary for writing."""
        return open, (CANARY, "w")


@pytest.fixture
def no_code(workdir: Path) -> Iterator[None]:
    """Show that a test would see code run, and that none did."""
    pickle.loads(PICKLE).close()
    (workdir / CANARY).unlink()
    yield
    assert not (workdir / CANARY).exists()


def saved_by_torch(path: Path, **content: Any) -> None:
    """Replace a checkpoint by one that calls a function."""
    assert path.is_file()
    torch.save({**content, "state_dict": Planted()}, path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pickle", "torch", "pickle with a zip"])
def test_a_planted_pickle_in_a_bundle_runs_no_code(
    name: str, kind: str, source: Path, run: Command, no_code: None
) -> None:
    """Replace a file of the bundle by a pickle that calls a function, with valid checksums."""
    shutil.copytree(source, "run")
    path = Path("run/bundle", name)
    saved_by_torch(path)
    if kind != "torch":
        path.write_bytes(PICKLE + (path.read_bytes() if "zip" in kind else b""))
    signed(Path("run"))
    finished = [run("predict", "run=run", "output=f.csv")]
    if name != "scalers.pkl":
        finished.append(run("train", *FAST, "finetune=run"))
    for one in finished:
        assert one.code == 1
        assert "its files are not safe to load" in one.out + one.err


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_planted_checkpoint_runs_no_code(
    name: str, tmp_path: Path, config: Config, workdir: Path, no_code: None
) -> None:
    """Replace a checkpoint of a run that was killed in its test by one that calls a function."""
    with_best = ("callbacks=default", "~callbacks.progress_bar")
    finished = trained(tmp_path / "finished", *with_best)
    # before it is copied, because the last checkpoint names the place of the best one
    saved_by_torch(finished / "checkpoints" / name, epoch=0)
    unfinished(finished, workdir / "killed")
    with pytest.raises(UserError, match=rf"{name}' is damaged"):
        train(config("resume=killed", f"paths.output_dir={workdir.as_posix()}/killed"))


@pytest.mark.parametrize("name", ["places.npz", "targets.npy"])
def test_a_planted_store_runs_no_code(
    name: str, run: Command, workdir: Path, no_code: None
) -> None:
    """Replace the arrays of a store by pickled objects that call a function."""
    times = range(80)
    table = pd.DataFrame({"unique_id": "a", "ds": times, "y": [n % 7 for n in times]})
    table.to_csv("x.csv", index=False)
    assert run("prepare", "data=csv", "data.path=x.csv", "store=store").code == 0
    content = json.loads(Path("store/store.json").read_text())
    path = Path("store", content["files"]["targets"] if name == "targets.npy" else name)
    assert path.is_file()
    save = np.save if path.suffix == ".npy" else np.savez
    save(path, np.array([Planted()], dtype=object), allow_pickle=True)
    small = [item for item in FAST if not item.startswith("data")]
    finished = run("train", *small, "data=store", "data.path=store")
    assert finished.code == 1
    assert "'store' is damaged" in finished.out + finished.err


def test_what_the_users_own_config_names_is_used(
    source: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run names a function of the user's, which `conf/` names as well, or does not."""
    folder = plant(source, Path("run"), change("callbacks.own", node("my_project.Callback")))
    with pytest.raises(UserError, match=r"callbacks\.own\._target_"):
        load_run(folder, "cpu")
    (workdir / "conf").mkdir()
    monkeypatch.setattr(run_config, "CONF", [*run_config.CONF, workdir / "conf"])
    # neither a part of a name nor a comment
    text = "# my_project.Callback\n- my_project.Callbacks\n"
    (workdir / "conf" / "trusted.yaml").write_text(text)
    with pytest.raises(UserError, match=r"callbacks\.own\._target_"):
        load_run(folder, "cpu")
    (workdir / "conf" / "trusted.yaml").write_text("- my_project.Callback\n")
    assert len(load_run(folder, "cpu").forecast(horizon=2)) == 3 * 2


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


BOMBS = {
    "aliases": bomb(),
    "merged": "a: &a {b: 1}\nc: {<<: *a}",
    "lists in lists": "a: " + "[" * 20_000,
    "groups in groups": "{a: " * 100_000,
    "a large file": "a: b\n" * 1_000_000,
    "a long number": f"a: 1{'0' * 500_000}",
    "a long time": f"a: 1{':1' * 100_000}",
    "a list": "- a",
    "an object": "a: !!python/object/apply:os.system [touch canary.txt]",
    "no text": "\0",
    "an impossible date": "a: 2024-13-99",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_config_without_end_ends_quickly(
    name: str, source: Path, config: Config, workdir: Path
) -> None:
    """YAML that expands without end, nests too deeply, or is too large."""
    shutil.copytree(source, "run")
    text = f"{BOMBS[name]}\n...\n"
    for path in (Path("run/config.yaml"), Path("run/bundle/config.yaml")):
        path.write_text(text)
    signed(Path("run"))
    begin = time.monotonic()
    for use in (load_run, read_run):
        with pytest.raises(UserError, match=r"config\.yaml' is damaged \(.*Restore it") as refused:
            use(Path("run"))
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 500
    unfinished(workdir / "run", workdir / "killed")
    with pytest.raises(UserError, match=r"config\.yaml' is damaged"):
        train(config("resume=killed", f"paths.output_dir={workdir.as_posix()}/killed"))
    assert time.monotonic() - begin < 20
    assert not (workdir / CANARY).exists()


NAMES = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "../../up", "/abs", "a/b", "<script>x()<"]


def test_names_of_series_are_only_names(run: Command, workdir: Path) -> None:
    """They stay as they are in tables, whose rows are joined by them, and never become paths."""
    times = range(80)
    tables = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": [(t * n) % 7 for t in times]})
        for n, name in enumerate(NAMES, 3)
    ]
    pd.concat(tables).to_csv("x.csv", index=False)
    small = [item for item in FAST if not item.startswith("data")]
    own = ["data=csv", "data.path=x.csv", "trainer.max_epochs=1", "hydra.run.dir=run"]
    assert run("train", *small, *own, "after_run=report").code == 0
    assert run("predict", "run=run", "output=f.csv").code == 0
    by_series = pd.read_csv("run/metrics_by_series.csv")
    assert set(by_series["series"]) == set(NAMES)
    assert set(pd.read_csv("f.csv")["unique_id"]) == set(NAMES)
    outputs = {"x.csv", "run", "f.csv", "f.png", "outputs"}
    assert {path.name for path in workdir.iterdir()} == outputs
    assert not (workdir.parent / "up").exists()
    assert "<script>x()" not in (workdir / "run" / "report.html").read_text(encoding="utf-8")


def test_folders_are_the_users_own_choice(source: Path, run: Command, workdir: Path) -> None:
    """A run whose config names other folders."""
    (workdir / "inner").mkdir()
    shutil.copytree(source, "mine")
    assert run("predict", "run=inner/../mine", "output=inner/../f.csv").code == 0
    assert (workdir / "f.csv").is_file()


def test_a_password_never_reaches_the_run_folder(run: Command, workdir: Path) -> None:
    """A tracking URL with a password."""
    own = ["+logger.csv.prefix='http://ann:s3cret@host/path'", "hydra.run.dir=run"]
    finished = run("train", *FAST, *own)
    assert finished.code == 1
    assert "has a password" in finished.out + finished.err
    for path in workdir.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes(), path
    allowed = ["+logger.csv.prefix='http://ann@host:80/a:b@c'", "hydra.run.dir=other"]
    assert run("train", *FAST, *allowed, "after_run=[]").code == 0
    assert "host:80" in json.dumps(load_run("other", "cpu").config.logger)
