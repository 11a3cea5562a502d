"""Checkpoints of pretrained models, small enough for a test: right in shape, random in value."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from darts.models.forecasting.chronos2_model import _Chronos2Module
from darts.models.forecasting.timesfm2p5_model import _TimesFM2p5Module
from safetensors.torch import save_file

WIDTH = 16
CHRONOS2 = {
    "d_model": WIDTH,
    "d_kv": 4,
    "d_ff": WIDTH,
    "num_layers": 1,
    "num_heads": 2,
    "chronos_config": {
        "context_length": 512,
        "input_patch_size": 4,
        "input_patch_stride": 4,
        "output_patch_size": 4,
        "max_output_patches": 16,
        "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "use_arcsinh": True,
        "use_reg_token": True,
        "time_encoding_scale": 512,
    },
}


def write_chronos2(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a tiny Chronos-2."""
    _write(folder, _Chronos2Module, CHRONOS2, CHRONOS2)


def write_timesfm2p5(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a tiny TimesFM 2.5, whose sizes are part of Darts and not of a file."""
    full = _TimesFM2p5Module.config
    layers = full.stacked_transformers
    narrow = {"input_dims": WIDTH, "hidden_dims": WIDTH}
    sizes = {"model_dims": WIDTH, "hidden_dims": WIDTH, "num_heads": 2}
    tiny = replace(
        full,
        tokenizer=replace(full.tokenizer, hidden_dims=WIDTH, output_dims=WIDTH),
        stacked_transformers=replace(
            layers, num_layers=1, transformer=replace(layers.transformer, **sizes)
        ),
        output_projection_point=replace(full.output_projection_point, **narrow),
        output_projection_quantiles=replace(full.output_projection_quantiles, **narrow),
    )
    monkeypatch.setattr(_TimesFM2p5Module, "config", tiny)
    _write(folder, _TimesFM2p5Module, {}, {})


WRITE = {"chronos2": write_chronos2, "timesfm2p5": write_timesfm2p5}


def _write(folder: Path, module: Any, sizes: dict[str, Any], config: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        chunks = {"input_chunk_length": 8, "output_chunk_length": 4, "train_sample_shape": None}
        weights = module(**sizes, **chunks).state_dict()
    weights = {name: value.contiguous() for name, value in weights.items()}
    save_file(weights, str(folder / "model.safetensors"))
