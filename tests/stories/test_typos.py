"""First typos: the first hour at the command line.

*The user* has a file of prices, `stocks.csv`, and types what seems right: a column as a
word instead of a list, `data.path=` without `data=csv`, `trainer.epochs`, `model.hidden`,
`data.target_column`, a semicolon without quotes, a file name with an umlaut.

*Before*, each ended in Hydra's error, in "Key 'path' is not in struct" or in a grammar of ANTLR.

*Now* a word is a list of one, and everything else is one line that says what is meant, and the
whole command to copy.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from engine.project import Finished
from vega_datasets import local_data

from stories.steps import QUICK, done, latest, refusal

Run = Callable[..., Finished]

SMALL = ["model=dlinear", "model.input_chunk_length=12", "horizon=3", *QUICK]
COLUMNS = ["data.time_column=date", "data.series_column=symbol", "data.target_columns=price"]


@pytest.fixture
def stocks(workdir: Path) -> Path:
    """Write monthly prices of four companies whose series are of one length."""
    frame = local_data.stocks()
    frame[frame["symbol"] != "GOOG"].to_csv("stocks.csv", index=False)
    return workdir / "stocks.csv"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["data.path=stocks.csv", *COLUMNS], ["data=csv", "data.path=stocks.csv", *COLUMNS]),
        (
            ["data=csv", "data.path=stocks.csv", *COLUMNS[:2], "data.target_column=price"],
            ["data=csv", "data.path=stocks.csv", *COLUMNS],
        ),
        (
            ["data=csv", "data.path=stocks.csv", *COLUMNS, "trainer.epochs=1"],
            ["data=csv", "data.path=stocks.csv", *COLUMNS, "trainer.max_epochs=1"],
        ),
        (
            ["model=tide", "model.hidden=8", "data=csv", "data.path=stocks.csv", *COLUMNS],
            ["model=tide", "model.hidden_size=8", "data=csv", "data.path=stocks.csv", *COLUMNS],
        ),
    ],
)
def test_the_command_of_the_message_trains(
    typed: list[str], meant: list[str], run: Run, stocks: Path
) -> None:
    text = refusal(run("train", *SMALL, *typed))
    _, _, proposed = text.rpartition("Try: python ")
    assert sorted(shlex.split(proposed)[1:]) == sorted([*SMALL, *meant])
    done(run("train", *shlex.split(proposed)[1:]))
    assert (latest() / "metrics.json").is_file()


def test_a_path_that_hydra_cannot_read_is_quoted(run: Run, stocks: Path) -> None:
    stocks.rename("börse.csv")
    text = refusal(run("train", *SMALL, "data=csv", "data.path=börse.csv", *COLUMNS))
    assert "\"data.path='börse.csv'\"" in text
    done(run("train", *SMALL, "data=csv", "data.path='börse.csv'", *COLUMNS))


def test_separators_need_no_quotes(run: Run, stocks: Path) -> None:
    stocks.write_text(stocks.read_text().replace(",", ";"))
    named = [*SMALL, "data=csv", "data.path=stocks.csv", *COLUMNS]
    refusal(run("train", *named, "data.separator=;"))
    done(run("train", *named, "data.separator=semicolon"))
    assert "';'" in done(run("train", *named))
