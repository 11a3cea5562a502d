"""A finished run as Python code uses it: its config, metrics and model, and what they forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from darts import TimeSeries

from .config import DataConfig, QuantileConfig, TrainConfig, check_config
from .data import Panel, Scalers, Split, load_data, split_at, split_data
from .data.files import FileSource, load_frame
from .errors import UserError
from .evaluation.backtest import Backtest, BacktestSpec, backtest
from .evaluation.forecast import as_in_source, as_series, forecast
from .loading.hardware import resolve_accelerator
from .modeling.build import trust_classes
from .modeling.bundle import Bundle, load_bundle
from .modeling.fit import steps_ahead, supported_covariates
from .runs.folder import (
    CONFIG,
    METRICS,
    RECORD,
    bundle_of,
    checked,
    find_run,
    is_bundle,
    read_json,
)

Data: TypeAlias = TimeSeries | Sequence[TimeSeries] | Panel | pd.DataFrame | None


def load_run(run: str | Path = "latest", accelerator: str = "auto", key: str = "run") -> "Run":
    """Load a finished run of ``train.py``.

    Args:
        run: its folder, or ``latest`` for the newest one under ``outputs``; or only its bundle.
        accelerator: what it forecasts on: auto, cpu, cuda or mps.
        key: the setting that holds the folder, for messages.

    Raises:
        UserError: when there is no such run, no such accelerator, a file is damaged, or the config
            names code that the project's ``conf/`` does not name.
    """
    folder = find_run(str(run), key)
    config = check_config(checked(bundle_of(folder), CONFIG), TrainConfig)
    return Run(folder, config, resolve_accelerator(accelerator))


@dataclass(frozen=True)
class Run:
    """A run of ``train.py``: its folder, its config, and the accelerator; see ``load_run``."""

    folder: Path
    config: TrainConfig
    accelerator: str

    @cached_property
    def record(self) -> dict[str, Any]:
        """Versions, git revision, loader plan, timings: the content of ``record.json``."""
        return read_json(self._file(RECORD))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the model and the baseline: the content of ``metrics.json``."""
        return read_json(self._file(METRICS))

    @cached_property
    def bundle(self) -> Bundle:
        """The trained model and its scalers."""
        model = self.config.model
        trust_classes(model)
        return load_bundle(bundle_of(self.folder), model["_target_"], self.accelerator)

    @property
    def model(self) -> Any:
        """The trained Darts model; it takes and returns scaled series."""
        return self.bundle.model

    @property
    def scalers(self) -> Scalers:
        """The scalers, as fitted on the training part."""
        return self.bundle.scalers

    def forecast(
        self,
        data: Data = None,
        horizon: int | None = None,
        quantiles: list[float] | None = None,
    ) -> TimeSeries | list[TimeSeries] | pd.DataFrame:
        """Forecast the steps after the end of the data, in its original unit.

        Args:
            data: a series or several; a Panel, with covariates; or a data frame with the
                columns of the files that the run was trained on, otherwise with the times as index;
                None for the run's own data.
            horizon: number of steps; None for that of the run.
            quantiles: of a model with a likelihood; None for those of the run.

        Returns:
            Series for series; a data frame, with columns as in the file of ``predict.py``, for a
            data frame or None. A quantile is a component such as ``co2_q0.1``.

        Raises:
            UserError: when the data does not fit the run, or is too short.
        """
        spec = self.backtest_spec(horizon, quantiles=quantiles)
        panel = self._panel(data, spec.horizon)
        found = forecast(self.bundle, panel, spec.horizon, spec.quantiles)
        if data is None or isinstance(data, pd.DataFrame):
            return as_in_source(found, panel)
        series = as_series(found, panel, spec.horizon)
        return series[0] if isinstance(data, TimeSeries) else series

    def backtest(self, horizon: int | None = None, stride: int | None = None) -> Backtest:
        """Forecast from every ``stride``-th origin of the test part, beside the baseline."""
        spec = self.backtest_spec(horizon, stride)
        data, split = self.split(self.load_data(spec.horizon), spec.horizon)
        return backtest(self.bundle, data, split, spec)

    def load_data(
        self,
        horizon: int,
        path: str | None = None,
        future_path: str | None = None,
        test_start: str | int | None = None,
    ) -> Panel:
        """Load the data of the run, or newer data with the same columns.

        Args:
            horizon: steps that will be forecast, for which ``data.covariates`` are needed.
            path: of other files; None for those of the run.
            future_path: a file in which the future covariates continue.
            test_start: where ``split`` will divide the data; None: as in the training.

        Raises:
            UserError: when the data cannot be read, or has series that are new to the run.
        """
        source = self._source(test_start)
        for key, value in (("data_path", path), ("future_path", future_path)):
            if value is not None and not isinstance(source, FileSource):
                raise UserError(f"{key}: the run was not trained on files. Leave {key} out.")
        if path is not None:
            source = source.model_copy(update={"path": path})
        future = Path(future_path) if future_path is not None else None
        return self._matching(
            load_data(source, ahead=steps_ahead(self.model, horizon), future=future)
        )

    def split(
        self, data: Panel, horizon: int, test_start: str | int | None = None
    ) -> tuple[Panel, Split]:
        """Divide data for test forecasts of ``horizon`` steps, as in the training.

        With ``test_start``, all from that time on is tested, and no training part is needed.
        """
        steps, length = horizon + self.model.output_chunk_shift, self.model.input_chunk_length
        if test_start is None:
            return split_data(data, self.config.data, steps, train_length=length)
        return split_at(data, self._source(test_start), steps, length)

    def backtest_spec(
        self,
        horizon: int | None = None,
        stride: int | None = None,
        quantiles: list[float] | None = None,
        num_samples: int | None = None,
    ) -> BacktestSpec:
        """Return how the run is tested, with what is given in place of its own values."""
        own = self.config
        levels, samples = quantiles or own.quantiles, num_samples or own.num_samples
        return BacktestSpec(
            horizon=horizon or own.horizon,
            stride=stride or own.stride,
            season_length=own.data.season_length,
            quantiles=QuantileConfig(levels=levels, num_samples=samples, seed=own.seed),
        )

    def _source(self, test_start: str | int | None) -> DataConfig:
        if test_start is None:
            return self.config.data
        changes = {"test_start": test_start, "validation_start": None, "end": None}
        return self.config.data.model_copy(update=changes)

    def _file(self, name: str) -> Path:
        if is_bundle(self.folder):
            raise UserError(
                f"'{self.folder}' is only the bundle of a run, which has no {name}. Give the "
                "folder of the whole run."
            )
        return checked(self.folder, name)

    def _matching(self, data: Panel) -> Panel:
        data = self.bundle.match(data, drop=self.config.data.short_series == "drop")
        data = supported_covariates(self.model, data)
        for role in ("past", "future"):
            name = f"{role}_covariates"
            if getattr(self.model, f"uses_{name}") and getattr(data, name) is None:
                raise UserError(
                    f"The run was trained with {role} covariates, which the data lacks. Add them "
                    "to the data frame, or as a Panel."
                )
        return data

    def _panel(self, data: Data, horizon: int) -> Panel:
        if data is None:
            return self.load_data(horizon)
        if isinstance(data, pd.DataFrame):
            if isinstance(self.config.data, FileSource):
                ahead = steps_ahead(self.model, horizon)
                return self._matching(load_frame(self.config.data, data, ahead))
            data = TimeSeries.from_dataframe(data)
        if not isinstance(data, Panel):
            series = [data] if isinstance(data, TimeSeries) else list(data)
            known = self.scalers.names
            names = known if len(known) == len(series) else [str(n) for n in range(len(series))]
            data = Panel.from_series(series, names)
        return self._matching(data)
