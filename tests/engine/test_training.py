"""Training: every config runs, the best weights are kept, and the loader changes nothing."""

import json
import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from darts.models import TiDEModel
from my_forecast.commands.train import train
from my_forecast.config import QuantileConfig, TrainConfig, check_config
from my_forecast.data import IN_MEMORY, load_data
from my_forecast.datasets import DartsDataset
from my_forecast.errors import UserError
from my_forecast.evaluation.forecast import as_series, forecast
from my_forecast.large_data import MappedFiles
from my_forecast.loading.hardware import detect_hardware
from my_forecast.loading.windows import WindowDataset
from my_forecast.modeling.build import build_model
from my_forecast.modeling.bundle import load_bundle
from my_forecast.modeling.callbacks import SparseLossLog
from my_forecast.modeling.fit import fit_model, make_windows, prepare_data, supported_covariates
from omegaconf import DictConfig
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ProgressBar, StochasticWeightAveraging

from engine.project import FAST, PROJECT, fixtures
from engine.tiny_models import WRITE

Config = Callable[..., DictConfig]
OPTIONS = [
    (path.parent.name, path.stem)
    for path in sorted((PROJECT / "conf").glob("*/*.yaml"))
    if path.parent.name not in ("hydra", "local", "backtest", "intervals", "measure", "writer")
    # downloads, and needs prepare.py; test_datasets.py and test_store.py have them
    and path.stem not in ("darts_dataset", "store")
]
OPTIONS += [(group, "[]") for group in ("after_run", "callbacks", "logger", "storage")]
ETTH1 = [
    "data.path=etth1.csv",
    "data.end=null",
    "data.validation_size=16",
    "data.test_size=16",
]
COUNTS = ["data=csv", "data.path=series.csv"]
EXTRA = {
    ("callbacks", "[]"): ["data.validation_size=0"],
    ("experiment", "etth1_dlinear"): ETTH1,
    ("experiment", "etth1_nlinear"): ETTH1,
    ("experiment", "etth1_tide"): ETTH1,
    ("data", "csv"): ["data.path=series.csv"],
    ("data", "etth1"): ["data.path=etth1.csv"],
    ("data", "excel"): ["data.path=series.xlsx"],
    ("data", "function"): ["data.function=fixtures.three_waves"],
    ("data", "parquet"): ["data.path=series.parquet"],
    ("likelihood", "poisson"): COUNTS,
    ("likelihood", "negative_binomial"): COUNTS,
    ("model", "chronos2"): ["model.local_dir=chronos2"],
    ("model", "timesfm2p5"): ["model.local_dir=timesfm2p5"],
    ("model", "rnn"): ["model.training_length=16"],
}
# keys of FAST that only some data sources have
SYNTHETIC_KEYS = ("data.n_series", "data.length")


def fast_run(config: Config, workdir: Path, *overrides: str) -> Path:
    """Train for a moment and return the run folder."""
    run_dir = workdir / "run"
    run_dir.mkdir()
    train(config(*FAST, *overrides))
    return run_dir


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_trains(
    group: str, option: str, config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if option == "cuda" and not torch.cuda.is_available():
        pytest.skip("trainer=cuda needs an NVIDIA GPU")
    fast = [item for item in FAST if not (option == "cuda" and "accelerator" in item)]
    if group == "experiment":
        fast.remove("model=tide")
    extra = EXTRA.get((group, option), [])
    if group == "data" or any(item.startswith("data.path") for item in extra):
        fast = [item for item in fast if not item.startswith(("data=", *SYNTHETIC_KEYS))]
        rows = [f"{day},{day % 7}" for day in range(80)]
        (workdir / "series.csv").write_text("ds,y\n" + "\n".join(rows))
        pd.read_csv(workdir / "series.csv").to_parquet(workdir / "series.parquet")
        pl.read_csv(workdir / "series.csv").write_excel(workdir / "series.xlsx")
        channels = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
        hours = pd.date_range("2016-07-01", periods=80, freq="h")
        values = np.random.default_rng(0).random((80, 7))
        pd.DataFrame(values, hours, channels).to_csv(workdir / "etth1.csv", index_label="date")
    if option in WRITE:
        WRITE[option](workdir / option, monkeypatch)
    (workdir / "run").mkdir()
    train(config(*fast, f"{group}={option}", *extra, "++model.batch_size=512"))
    scores = json.loads((workdir / "run" / "metrics.json").read_text())
    assert np.isfinite(scores["test"]["model"]["mae"])


def test_known_results_can_be_repeated_with_data_that_darts_downloads(config: Config) -> None:
    same = ["season_length", "end", "component_series", "validation_size", "test_size", "scaler"]
    for name in ("etth1_dlinear", "etth1_nlinear", "etth1_tide"):
        experiment = f"experiment={name}"
        file = check_config(config(experiment, "data.path=ETTh1.csv"), TrainConfig)
        online = check_config(
            config(experiment, "data=darts_dataset", "data.name=ETTh1Dataset"), TrainConfig
        )
        assert isinstance(online.data, DartsDataset)
        assert online.model_copy(update={"data": file.data}) == file
        for key in same:
            assert getattr(online.data, key) == getattr(file.data, key)


def test_a_run_leaves_everything_that_is_needed(config: Config, workdir: Path) -> None:
    run_dir = fast_run(config, workdir)
    for name in ("config.yaml", "record.json", "metrics.json", "forecast.png"):
        assert (run_dir / name).stat().st_size > 0
    assert (run_dir / "forecast.png").read_bytes().startswith(b"\x89PNG")
    scores = json.loads((run_dir / "metrics.json").read_text())
    for part in ("test", "test_standardised"):
        for name in ("model", "baseline"):
            assert {"mae", "mse"} <= set(scores[part][name])
    record = json.loads((run_dir / "record.json").read_text())
    assert record["dataloader"]["num_workers"]["value"] == 0
    assert all(choice["reason"] for choice in record["dataloader"].values())
    assert set(record["seconds"]) == {"load", "fit", "evaluate"}
    assert len(record["data_fingerprint"]) == 64
    assert record["versions"]["darts"]
    assert check_config(run_dir / "config.yaml", TrainConfig) == check_config(
        config(*FAST), TrainConfig
    )


def test_the_saved_weights_are_those_of_the_best_epoch(config: Config, workdir: Path) -> None:
    """A learning rate that ruins the model makes the first epoch the best one."""
    run_dir = fast_run(config, workdir, "model.optimizer_kwargs.lr=1", "trainer.max_epochs=4")
    bundle = load_bundle(run_dir / "bundle", "darts.models.TiDEModel", "cpu")
    saved = bundle.model.model.state_dict()

    def equal(checkpoint: str) -> bool:
        state = torch.load(run_dir / "checkpoints" / checkpoint, weights_only=False)["state_dict"]
        return all(torch.equal(saved[name], state[name]) for name in saved)

    assert equal("best.ckpt")
    assert not equal("last.ckpt")


def trained_weights(config: Config, workdir: Path, *overrides: str) -> dict[str, torch.Tensor]:
    """Train and return the weights of the last epoch."""
    training = check_config(config(*FAST, "callbacks=[]", "logger=[]", *overrides), TrainConfig)
    model, hardware = build_model(training, workdir), detect_hardware("cpu")
    windows = make_windows(model, training, prepare_data(model, training, IN_MEMORY), hardware)
    fit_model(model, training, *windows, hardware)
    return {name: value.clone() for name, value in model.model.state_dict().items()}


class KeepInputs(Callback):
    """Keeps the inputs of all training batches."""

    def __init__(self) -> None:
        """Begin without any."""
        self.inputs: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, number: int) -> None:
        """Keep those of a batch."""
        self.inputs.append(batch.past_target.clone())


def test_validation_windows_are_gathered_without_workers(config: Config, workdir: Path) -> None:
    training = check_config(config(*FAST, "callbacks=[]", "dataloader.num_workers=1"), TrainConfig)
    model, hardware = build_model(training, workdir), detect_hardware("cpu")
    windows = make_windows(model, training, prepare_data(model, training, IN_MEMORY), hardware)
    fit_model(model, training, *windows, hardware)
    assert model.trainer.train_dataloader.num_workers == 1
    assert model.trainer.val_dataloaders.num_workers == 0


@pytest.mark.parametrize(
    "loader",
    [
        ["dataloader.num_workers=1", "dataloader.multiprocessing_context=fork"],
        [
            "dataloader.num_workers=2",
            "dataloader.multiprocessing_context=fork",
            "dataloader.persistent_workers=false",
        ],
        ["dataloader.num_workers=2", "dataloader.multiprocessing_context=spawn"],
        ["dataloader.num_workers=2", "dataloader.multiprocessing_context=forkserver"],
    ],
)
def test_the_loader_does_not_change_the_result(
    loader: list[str], config: Config, workdir: Path
) -> None:
    method = loader[1].split("=")[1]
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} does not exist on this system")
    same = ["trainer.max_epochs=3", "model.batch_size=16", "model.dropout=0.5"]
    expected = trained_weights(config, workdir, *same)
    weights = trained_weights(config, workdir, *same, *loader)
    for name, value in expected.items():
        assert torch.equal(weights[name], value), name


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("batches", [1, 2])
def test_overfitting_trains_on_the_first_windows_in_every_epoch(
    batches: int, workers: int, config: Config, workdir: Path
) -> None:
    """`trainer.overfit_batches`, as of `debug=overfit`, in the order of the windows."""
    options = [f"+trainer.overfit_batches={batches}", f"dataloader.num_workers={workers}"]
    options += ["model.batch_size=16", "callbacks=[]", "logger=[]"]
    training = check_config(config(*FAST, *options), TrainConfig)
    model, hardware = build_model(training, workdir), detect_hardware("cpu")
    kept = KeepInputs()
    model.trainer_params["callbacks"].append(kept)
    windows = make_windows(model, training, prepare_data(model, training, IN_MEMORY), hardware)
    fit_model(model, training, *windows, hardware)
    first = windows[0].__getitems__(range(16 * batches)).past_target.split(16)  # type: ignore[attr-defined]
    assert len(kept.inputs) == 2 * batches
    assert all(torch.equal(*pair) for pair in zip(kept.inputs, [*first, *first], strict=True))


def test_another_seed_gives_other_weights(config: Config, workdir: Path) -> None:
    first, second = (trained_weights(config, workdir, f"seed={seed}") for seed in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("workers", [0, 1])
def test_advice_to_add_workers_is_silenced_only_where_the_plan_has_none(
    workers: int, config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytorch_lightning.trainer.connectors import data_connector

    monkeypatch.setattr(data_connector, "suggested_max_num_workers", lambda _: 8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained_weights(config, workdir, f"dataloader.num_workers={workers}")
    advice = [w for w in caught if "does not have many workers" in str(w.message)]
    assert bool(advice) == bool(workers)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=nlinear", "likelihood=quantile"], "normalize = True cannot be used with prob"),
        (["likelihood=quantile", "loss=mae"], "QuantileRegression has its own loss"),
        (
            ["likelihood=laplace", "model.use_reversible_instance_norm=true"],
            "parameters of LaplaceLikelihood as if they were values",
        ),
        (["model=naive_drift", "likelihood=quantile"], "NaiveDrift cannot learn"),
        (["model.likelihood=quantile"], "model.likelihood: 'quantile' is not a likelihood"),
        (["quantiles=[0.1,0.5]"], r"quantiles: \[0.1, 0.5\] must .*pair up around 0.5"),
        (["quantiles=[0.1,0.9]"], "pair up around 0.5"),
        (["quantiles=[0,0.5,1]"], "must increase, lie between 0 and 1"),
        (["num_samples=0"], "num_samples: 0 must be at least 1"),
    ],
)
def test_a_likelihood_that_cannot_work_is_refused(
    overrides: list[str], message: str, config: Config, workdir: Path
) -> None:
    with pytest.raises(UserError, match=message):
        fast_run(config, workdir, *overrides)


def test_averaged_weights_are_the_ones_that_are_saved(
    config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not those of the best epoch, which the log names otherwise."""
    keep, averaged = StochasticWeightAveraging.on_train_end, dict[str, torch.Tensor]()

    def spy(self: StochasticWeightAveraging, trainer: Any, module: Any) -> None:
        keep(self, trainer, module)
        averaged.update({key: value.clone() for key, value in module.state_dict().items()})

    monkeypatch.setattr(StochasticWeightAveraging, "on_train_end", spy)
    caplog.set_level("INFO")
    name = "pytorch_lightning.callbacks.StochasticWeightAveraging"
    swa = f"+callbacks.swa={{_target_: {name}, swa_lrs: 0.01, swa_epoch_start: 1}}"
    run_dir = fast_run(config, workdir, "trainer.max_epochs=4", swa)
    saved = fixtures.weights(run_dir)
    assert averaged.keys() == saved.keys()
    assert all(torch.equal(value, averaged[key]) for key, value in saved.items())
    best = torch.load(run_dir / "checkpoints" / "best.ckpt", weights_only=False)["state_dict"]
    assert not all(torch.equal(value, best[key]) for key, value in saved.items())
    assert "weights that StochasticWeightAveraging has averaged" in caplog.text
    shutil.rmtree(run_dir)
    fast_run(config, workdir)
    assert "whose val_loss of" in caplog.text


def test_a_worker_that_is_killed_while_a_training_ends_is_named(
    config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning raises an error of its own while it handles that of the worker."""

    def fail(*_: Any, **__: Any) -> None:
        try:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
        finally:
            raise RuntimeError("Please call `iter(combined_loader)` first.")

    monkeypatch.setattr(TiDEModel, "fit_from_dataset", fail)
    with pytest.raises(UserError, match=r"DataLoader worker \(pid 7\) is killed by signal"):
        fast_run(config, workdir)


def test_the_moving_average_is_the_mean_of_what_was_before(config: Config, workdir: Path) -> None:
    fast_run(config, workdir, "model=naive_moving_average", "model.input_chunk_length=4")
    bundle = load_bundle(workdir / "run" / "bundle", "darts.models.GlobalNaiveAggregate", "cpu")
    data = load_data(check_config(workdir / "run" / "config.yaml", TrainConfig).data)
    data = supported_covariates(bundle.model, data)
    forecasts = as_series(forecast(bundle, data, 3, QuantileConfig()), data, 3)
    for series, one in zip(data.to_series(), forecasts, strict=True):
        values = series.values()[:, 0].tolist()
        for _ in range(3):
            values.append(sum(values[-4:]) / 4)
        np.testing.assert_allclose(one.values()[:, 0], values[-3:], rtol=1e-5)


def test_the_seasonal_naive_model_is_the_baseline(config: Config, workdir: Path) -> None:
    run_dir = fast_run(config, workdir, "model=naive_seasonal", "model.input_chunk_length=7")
    scores = json.loads((run_dir / "metrics.json").read_text())["test"]
    assert scores["model"] == pytest.approx(scores["baseline"], rel=1e-5)


def test_optimiser_scheduler_loss_and_metrics_are_those_of_the_config(
    config: Config, workdir: Path
) -> None:
    """A class may also be given as Hydra does, as in runs of older releases."""
    training = check_config(
        config(
            *FAST,
            "optimizer=sgd",
            "loss=huber",
            "+model.lr_scheduler_cls._target_=hydra.utils.get_class",
            "+model.lr_scheduler_cls.path=torch.optim.lr_scheduler.StepLR",
            "+model.lr_scheduler_kwargs.step_size=1",
            "+model.torch_metrics._target_=torchmetrics.MeanAbsoluteError",
        ),
        TrainConfig,
    )
    model = build_model(training, workdir)
    hardware = detect_hardware("cpu")
    windows = make_windows(model, training, prepare_data(model, training, IN_MEMORY), hardware)
    fit_model(model, training, *windows, hardware)
    [optimizer], [scheduler] = model.trainer.optimizers, model.trainer.lr_scheduler_configs
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert type(scheduler.scheduler) is torch.optim.lr_scheduler.StepLR
    assert type(model.model.criterion) is torch.nn.HuberLoss
    assert "val_MeanAbsoluteError" in model.trainer.callback_metrics


def test_a_model_of_mixed_precision_forecasts_in_full(config: Config, workdir: Path) -> None:
    run_dir = fast_run(config, workdir, "trainer.precision=bf16-mixed")
    bundle = load_bundle(run_dir / "bundle", "darts.models.TiDEModel", "cpu")
    assert all(weight.dtype == torch.float32 for weight in bundle.model.model.parameters())


def test_early_stopping_without_a_validation_part_is_refused(config: Config, workdir: Path) -> None:
    with pytest.raises(UserError, match=r"early_stopping.monitor: .*callbacks=\[\]"):
        fast_run(config, workdir, "data.validation_size=0")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model._target_=darts.models.NoModel", "cannot import 'darts.models.NoModel'"),
        ("model._target_=darts.models.NaiveDrift", "is not a torch model of Darts"),
        ("model.hidden_size=wide", "model.hidden_size: 'wide' must be a whole number"),
        ("model.dropout=much", "model.dropout: 'much' must be a number"),
        ("+model.no_argument=1", "model.no_argument: TiDEModel has no argument 'no_argument'"),
        ("+trainer.max_epoch=1", "trainer.max_epoch: .*Did you mean max_epochs?"),
        ("+trainer.barebones=1", "trainer.barebones: 1 must be true or false"),
        ("+trainer.max_steps=null", "trainer.max_steps: None must be a whole number"),
        ("model.optimizer_cls=torch.optim.Abacus", "cannot import 'torch.optim.Abacus'"),
        ("trainer.precision=64-true", "'64-true' must be 32-true, bf16-mixed"),
        ("model.input_chunk_length=500", "series_0000, 80 steps: 64 remain.*input_chunk_length"),
        ("trainer.accelerator=abacus", "accelerator: 'abacus'"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    override: str, message: str, config: Config, workdir: Path
) -> None:
    with pytest.raises((UserError, TypeError), match=message):
        fast_run(config, workdir, override)


def test_all_problems_of_a_config_are_in_one_message(config: Config, workdir: Path) -> None:
    with pytest.raises(UserError) as error:
        fast_run(config, workdir, "+model.droput=0.1", "model.hidden_size=0.5", "+trainer.epochs=1")
    keys = [line.split(":")[0] for line in str(error.value).splitlines()]
    assert keys == ["model.hidden_size", "model.droput", "trainer.epochs"]


def model_of_a_function(hidden_size: int, **arguments: Any) -> TiDEModel:
    return TiDEModel(hidden_size=2 * hidden_size, **arguments)


def model_without_annotation(**arguments: Any):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return TiDEModel(**arguments)


def test_a_function_may_build_the_model(config: Config, workdir: Path) -> None:
    target = f"model._target_={__name__}.model_of_a_function"
    model = build_model(
        check_config(config(*FAST, target, "model.hidden_size=8"), TrainConfig), workdir
    )
    assert model.model_params["hidden_size"] == 16
    for override in ("+model.hiden_size=8", "model.hidden_size=wide"):
        with pytest.raises(UserError, match="hidden_size"):
            build_model(check_config(config(*FAST, target, override), TrainConfig), workdir)
    target = f"model._target_={__name__}.model_without_annotation"
    with pytest.raises(UserError, match="return annotation"):
        build_model(check_config(config(*FAST, target), TrainConfig), workdir)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.sampling=uniform", "data.window_stride=3"],
        ["data.max_samples_per_ts=4", "data.sample_weight=linear"],
        ["data.sample_weight=exponential", "storage=mmap"],
        ["data.scaler=none", "storage=mmap", "dataloader.num_workers=1"],
        ["+model.output_chunk_shift=2"],
        ["+model.add_encoders.datetime_attribute.future=[month]"],
    ],
)
def test_windows_can_be_cut_in_other_ways(
    overrides: list[str], config: Config, workdir: Path
) -> None:
    run_dir = fast_run(config, workdir, *overrides)
    scores = json.loads((run_dir / "metrics.json").read_text())
    assert np.isfinite(scores["test"]["model"]["mae"])
    assert not list(run_dir.glob("storage-*"))


STATIC = ["tide", "tsmixer", "tft", "nlinear", "dlinear"]


@pytest.mark.parametrize("name", [*STATIC, "nhits", "rnn"])
def test_models_that_can_learn_from_static_covariates_and_weights_alike(
    name: str, config: Config, workdir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(i, day, day % 7, f"region {i}", day % 3) for i in "ab" for day in range(80)]
    table = pd.DataFrame(rows, columns=["unique_id", "ds", "y", "region", "w"])
    table.to_csv("series.csv", index=False)
    overrides = [
        *[item for item in FAST if not item.startswith(("data=", *SYNTHETIC_KEYS))],
        *("data=csv", "data.path=series.csv", "data.static_covariates_columns=[region]"),
        *("data.sample_weight_column=w", "storage=mmap", f"model={name}"),
        *EXTRA.get(("model", name), []),
    ]
    training = check_config(config(*overrides), TrainConfig)
    model, hardware = build_model(training, workdir), detect_hardware("cpu")
    with MappedFiles().open(workdir) as storage, caplog.at_level(logging.INFO):
        prepared = prepare_data(model, training, storage)
        windows, validation = make_windows(model, training, prepared, hardware)
        assert isinstance(windows, WindowDataset)
        assert validation is not None
        # values and weights are in files
        assert windows.nbytes == 0
        newest, oldest = windows[0], windows[len(windows) // 2 - 1]
        assert ("static covariates; they are left out" in caplog.text) == (name not in STATIC)
        if name in STATIC:
            assert newest.static_covariates.tolist() == [[1, 0]]
            assert windows[len(windows) - 1].static_covariates.tolist() == [[0, 1]]
        assert newest.sample_weight is not None
        # the training part ends with day 63
        ahead = len(newest.sample_weight)
        days = np.arange(64)
        assert newest.sample_weight[:, 0].tolist() == (days[-ahead:] % 3).tolist()
        first = len(days) - len(windows) // 2 - ahead + 1
        assert oldest.sample_weight[:, 0].tolist() == (days[first:][:ahead] % 3).tolist()
        assert validation[0].sample_weight is None
        fit_model(model, training, windows, validation, hardware)
    assert model.uses_static_covariates == (name in STATIC)


def test_where_values_are_kept_does_not_change_the_model(config: Config, workdir: Path) -> None:
    scores = []
    for number, storage in enumerate(["[]", "mmap"]):
        (workdir / f"run{number}").mkdir()
        train(config(*FAST, f"storage={storage}", f"paths.output_dir=run{number}"))
        scores.append((workdir / f"run{number}" / "metrics.json").read_text())
    assert scores[0] == scores[1]


def test_what_is_logged_is_what_darts_would_log(
    config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = []
    for name in ("sparse", "always"):
        (workdir / name).mkdir()
        train(config(*FAST, "trainer.log_every_n_steps=2", f"paths.output_dir={name}"))
        logs.append((workdir / name / "csv_logs" / "metrics.csv").read_text())
        monkeypatch.setattr(SparseLossLog, "setup", Callback.setup)
    assert logs[0] == logs[1]
    steps = pd.read_csv(workdir / "sparse" / "csv_logs" / "metrics.csv")
    assert steps["train_loss"].notna().sum() >= 2


def test_nothing_of_the_configuration_library_is_saved(config: Config, workdir: Path) -> None:
    run_dir = fast_run(config, workdir)
    for path in (run_dir / "bundle").iterdir():
        assert b"omegaconf" not in path.read_bytes()


def test_a_scaler_is_applied_to_the_forecast(config: Config, workdir: Path) -> None:
    """The target lies between 10 and 50: forecasts on the scaled series would be near 0."""
    run_dir = fast_run(config, workdir)
    scores: dict[str, Any] = json.loads((run_dir / "metrics.json").read_text())
    assert scores["test"]["model"]["mae"] < 10


@pytest.mark.parametrize(("shown", "bars"), [("true", 1), ("false", 0)])
def test_the_progress_bar_can_be_turned_off(
    shown: str, bars: int, config: Config, workdir: Path
) -> None:
    """Lightning refuses to train with a bar that is turned off; test_resume.py trains without."""
    composed = config(*FAST, "callbacks=default", f"+trainer.enable_progress_bar={shown}")
    model = build_model(check_config(composed, TrainConfig), workdir)
    callbacks = model.trainer_params["callbacks"]
    assert sum(isinstance(callback, ProgressBar) for callback in callbacks) == bars
