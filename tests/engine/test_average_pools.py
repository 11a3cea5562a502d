"""The moving average that takes the place of that in Darts' DLinear while it trains."""

from collections.abc import Callable
from pathlib import Path

import torch
from darts.models import DLinearModel
from my_forecast.commands.train import train
from my_forecast.modeling.callbacks import CumulativeAveragePool, FastAveragePools
from omegaconf import DictConfig
from torch.nn import AvgPool1d

from engine.project import FAST


def test_the_moving_average_of_dlinear_is_the_same_and_leaves_nothing_in_its_files(
    config: Callable[..., DictConfig], workdir: Path
) -> None:
    (workdir / "run").mkdir()
    train(config("model=dlinear", *FAST[1:]))
    # plain Darts loads what was saved, with its own module
    model = DLinearModel.load(str(workdir / "run/bundle/model.pt"), map_location="cpu")
    slow = [one for one in model.model.modules() if type(one) is AvgPool1d]
    assert len(slow) == 1
    values = torch.randn(8, 3, 90, generator=torch.Generator().manual_seed(0))
    holder = torch.nn.Sequential(slow[0])
    expected = holder(values)
    FastAveragePools().setup(None, holder, "fit")
    assert type(holder[0]) is CumulativeAveragePool
    torch.testing.assert_close(holder(values), expected, rtol=0, atol=2e-6)
    gradients = []
    for pool in (slow[0], holder[0]):
        inputs = values.clone().requires_grad_()
        pool(inputs).square().sum().backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_pools_that_skip_steps_are_kept() -> None:
    holder = torch.nn.Sequential(AvgPool1d(4), AvgPool1d(3, stride=1, padding=1))
    FastAveragePools().setup(None, holder, "fit")
    assert [type(one) for one in holder] == [AvgPool1d, AvgPool1d]
