"""Show how this machine would train, and why: `python doctor.py`.

Spawned DataLoader workers import this file again, so its imports are light.
"""

import hydra
from omegaconf import DictConfig

from my_forecast.cli import launch, report_errors


@hydra.main(version_base="1.3", config_path="conf", config_name="doctor")
def main(config: DictConfig) -> None:
    """Compose the configuration and hand it to the package."""
    with report_errors():
        from my_forecast.commands import doctor

        doctor.doctor(config)


if __name__ == "__main__":
    launch(main)
