"""The table of finished runs."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from my_forecast.compare import (
    main,
)

from conftest import FAST, NO_REPORT, Finished


@pytest.mark.usefixtures("no_plots")
def test_runs_are_compared(
    run: Callable[..., Finished], workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fast = [*FAST, "trainer.max_epochs=1", *NO_REPORT]
    assert run("train", "-m", *fast, "model.hidden_size=4,8").code == 0
    pattern = "outputs/multirun/*/*/*"
    main([pattern, "--csv", "table.csv"])
    header, *rows = [line.split() for line in capfd.readouterr().out.splitlines()]
    # the only setting that differs, then the scores
    scores = ["validation_mae", "mae", "mse", "mase", "rmsse", "skill", "seconds"]
    assert header == ["run", "model.hidden_size", *scores]
    assert {row[1] for row in rows} == {"4", "8"}
    errors = [float(row[2]) for row in rows]
    assert errors == sorted(errors)
    with Path("table.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [f"{float(row['validation_mae']):.4g}" for row in table] == [row[2] for row in rows]
    assert {row["baseline_mae"] for row in table} == {table[0]["baseline_mae"]}

    main([pattern, "--sort", "skill"])
    skills = [float(line.split()[-2]) for line in capfd.readouterr().out.splitlines()[1:]]
    assert skills == sorted(skills, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone/*"], "no finished run of train.py in gone/*"),
        (["{run}", "--sort", "size"], "--sort: unknown column 'size'"),
        (["{run}", "--csv", "old.csv"], "--csv: cannot create 'old.csv'"),
    ],
)
def test_mistakes_are_refused(
    arguments: list[str],
    message: str,
    trained: Path,
    workdir: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("old.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit):
        main([argument.format(run=trained) for argument in arguments])
    assert message in capfd.readouterr().err
    assert Path("old.csv").read_text(encoding="utf-8") == "mine"
