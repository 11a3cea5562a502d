"""Backtest a finished run: `python evaluate.py run=latest`.

Spawned DataLoader workers import this file again, so its imports are light.
"""

import hydra
from omegaconf import DictConfig

from my_forecast.cli import launch, report_errors


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(config: DictConfig) -> None:
    """Compose the configuration and hand it to the package."""
    with report_errors():
        from my_forecast.commands import evaluate

        evaluate.evaluate(config)


if __name__ == "__main__":
    launch(main)
