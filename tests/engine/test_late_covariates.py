"""Covariates that begin later, or end earlier, than the targets that are trained with them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.project import Finished

Command = Callable[..., Finished]
TRAIN = ["model=tide", "horizon=5", "model.input_chunk_length=10", "trainer.max_epochs=1"]


@pytest.mark.parametrize("series", ["b", "ab"])
@pytest.mark.parametrize("fill", ["linear", "zero", "seasonal", "forbid"])
@pytest.mark.parametrize("role", ["past", "future"])
def test_a_late_covariate_is_named(
    series: str, fill: str, role: str, run: Command, workdir: Path
) -> None:
    parts = []
    for name in series:
        days = np.arange(100)
        late = np.where((days < 30) & (name == "b"), np.nan, days % 5)
        dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
        values = {"ds": dates, "y": days % 7 + 1.0, "full": days % 3, "late": late}
        parts.append(pd.DataFrame({"unique_id": name, **values}))
    pd.concat(parts).to_csv("late.csv", index=False)
    columns = f"data.{role}_covariates_columns=[full,late]"
    options = ["data=csv", "data.path=late.csv", f"data.fill={fill}", "data.validation_size=20"]
    done = run("train", *TRAIN, *options, columns)
    assert done.code == 1
    [line] = re.findall("^Error: .*", done.out + done.err, re.MULTILINE)
    until = {"past": "2024-03-05", "future": "2024-03-10"}[role]
    assert f"b: {role} covariate late is known from 2024-01-31 to 2024-04-09" in line
    assert f"needed from 2024-01-01 to {until}. Cut the series" in line
    # the newest windows have all values
    done = run("train", *TRAIN, *options, columns, "data.max_samples_per_ts=5", "after_run=[]")
    assert done.code == 0, done.out + done.err
