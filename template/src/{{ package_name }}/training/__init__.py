"""Likelihoods of counts, whose mean the model learns on the logarithmic scale of its data.

A network that reads and returns counts as they are would have to output thousands, and its loss
becomes NaN before it does.
"""

from typing import Any

import numpy as np
import torch
from darts.utils.likelihood_models.torch import (
    NegativeBinomialLikelihood,
    PoissonLikelihood,
    TorchLikelihood,
)

from ..errors import UserError
from ..modeling.fit import Prepared

# keep the mean and the dispersion above zero, and the mean finite
SMALLEST, LARGEST_LOGARITHM = 1e-6, 25.0


class _Counts(TorchLikelihood):
    """Brings scaled targets back to counts, and samples of counts to the scale of the targets."""

    def use_data(self, prepared: Prepared) -> None:
        """Keep the scale of the targets; ``make_windows`` calls this before a fit.

        Raises:
            UserError: if the targets are not counts, or were not scaled with one logarithm.
        """
        scaler, targets = prepared.scalers.targets, prepared.data.targets
        if scaler is None or scaler.kind != "log" or len(scaler.center) > 1:
            raise UserError(
                "model.likelihood: counts need one logarithm for all series. Set data.scaler=log "
                "data.scaler_fit=global."
            )
        for numbers, values in targets.batches():
            known = np.nan_to_num(targets.observed(targets.rows(numbers))).reshape(values.shape)
            wrong = (known < 0) | (known % 1 != 0)
            for row, step, component in np.argwhere(wrong)[:1]:
                raise UserError(
                    f"model.likelihood: {prepared.data.names[numbers[row]]} has values that are "
                    f"not counts, such as {known[row, step, component]:g}. Set likelihood=quantile."
                )
        # as lists: a bundle holds no arrays of NumPy
        self.center, self.scale = scaler.center[0].tolist(), scaler.scale[0].tolist()

    def compute_loss(
        self, model_output: torch.Tensor, target: torch.Tensor, sample_weight: Any
    ) -> torch.Tensor:
        """Return the loss of counts; ``target`` has the shape (batch, time, components)."""
        counts = torch.expm1(self._logarithm(target)).round()
        loss: torch.Tensor = super().compute_loss(model_output, counts, sample_weight)
        return loss

    def sample(self, model_output: torch.Tensor) -> torch.Tensor:
        """Return scaled samples of shape (batch, time, components)."""
        logarithm = torch.log1p(super().sample(model_output))
        center, scale = map(logarithm.new_tensor, (self.center, self.scale))
        return (logarithm - center) / scale

    def _logarithm(self, scaled: torch.Tensor) -> torch.Tensor:
        center, scale = map(scaled.new_tensor, (self.center, self.scale))
        return scaled * scale + center

    def _mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the mean of the counts for an output on the scale of the targets."""
        logarithm = torch.nn.functional.softplus(self._logarithm(output))
        return torch.expm1(logarithm.clamp(max=LARGEST_LOGARITHM)) + SMALLEST


class Poisson(_Counts, PoissonLikelihood):
    """Darts' Poisson distribution."""

    def _params_from_output(self, model_output: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self._mean(model_output.squeeze(dim=-1)),)


class NegativeBinomial(_Counts, NegativeBinomialLikelihood):
    """Darts' negative binomial distribution, which varies more than Poisson's."""

    def _params_from_output(self, model_output: torch.Tensor) -> tuple[torch.Tensor, ...]:
        dispersion = torch.nn.functional.softplus(model_output[..., 1])
        return self._mean(model_output[..., 0]), dispersion + SMALLEST
