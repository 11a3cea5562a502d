"""Fine-tune: what was learned in one city is the beginning for another.

*The user* trains on hourly temperatures of Seattle, and fine-tunes on those of San Francisco.

*Before*, `finetune=<run> data.path=...` took the weights alone: model, horizon and columns had to
be typed again, and one that was forgotten made the run fail or, worse, differ.

*Now* everything else comes from the run, and a key that is given wins.
"""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from engine.project import Finished, fixtures
from vega_datasets import local_data

from stories.steps import done, latest

Run = Callable[..., Finished]

SETTINGS = [
    *("data=csv", "data.path=seattle.csv", "data.time_column=date", "data.target_columns=temp"),
    *("data.frequency=h", "data.season_length=24", "model=nlinear", "horizon=12", "stride=12"),
    *("model.input_chunk_length=48", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
    *("after_run=[]", "model.optimizer_kwargs.lr=0.002"),
]


@pytest.fixture
def cities(workdir: Path) -> Path:
    """Write the hours of 2010, of which summer time took one."""
    local_data.seattle_temps().to_csv("seattle.csv", index=False)
    local_data.sf_temps().to_csv("francisco.csv", index=False)
    return workdir


def test_only_the_file_is_new(run: Run, cities: Path) -> None:
    assert "Filled 1 missing value" in done(run("train", *SETTINGS, "hydra.run.dir=seattle"))
    few = ["finetune=seattle", "data.path=francisco.csv", "model.optimizer_kwargs.lr=0"]
    done(run("train", *few))
    one, other = (
        yaml.safe_load((folder / "config.yaml").read_text())
        for folder in (Path("seattle"), latest())
    )
    assert other["data"]["path"] == "francisco.csv"
    assert other["model"]["optimizer_kwargs"]["lr"] == 0
    for key in ("horizon", "stride", "trainer"):
        assert other[key] == one[key], key
    assert other["model"]["_target_"] == one["model"]["_target_"]
    assert other["model"]["input_chunk_length"] == 48
    assert other["data"]["season_length"] == 24
    # nothing was learned with a rate of 0: the weights are those of Seattle
    assert fixtures.same_weights(Path("seattle"), latest())
    assert math.isclose(one["model"]["optimizer_kwargs"]["lr"], 0.002)
