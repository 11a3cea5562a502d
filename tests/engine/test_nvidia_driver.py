"""The right build of PyTorch for the GPU and its driver."""

import subprocess
from typing import Any

import pytest
import torch
from my_forecast.loading import nvidia_driver
from my_forecast.loading.nvidia_driver import NvidiaGpu, cuda_advice, nvidia_gpu, torch_index


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list whose first item is what nvidia-smi prints; torch finds no GPU."""
    printed = ["NVIDIA H200, 580.65.06\nNVIDIA H200, 580.65.06\n"]

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, printed[0], "")

    monkeypatch.setattr(nvidia_driver.shutil, "which", lambda tool: tool)
    monkeypatch.setattr(nvidia_driver.subprocess, "run", run)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return printed


@pytest.mark.parametrize(
    ("system", "version", "index"),
    [
        ("linux", None, "cpu"),
        ("win32", None, "cpu"),
        ("darwin", None, "pypi"),
        ("linux", 580, "pypi"),
        ("win32", 580, "cu130"),
        ("linux", 560, "cu126"),
        ("win32", 560, "cu126"),
    ],
)
def test_the_index_suits_system_and_driver(system: str, version: int | None, index: str) -> None:
    found = None if version is None else NvidiaGpu("A GPU", version)
    assert torch_index(system, found) == index


def test_the_first_gpu_and_its_driver_are_found(driver: list[str]) -> None:
    assert nvidia_gpu() == NvidiaGpu("NVIDIA H200", 580)
    driver[0] = "NVIDIA RTX 2000, Ada, 535.1\n"
    assert nvidia_gpu() == NvidiaGpu("NVIDIA RTX 2000, Ada", 535)


def test_a_driver_that_does_not_answer_is_no_gpu(
    driver: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver[0] = "No devices were found\n"
    assert nvidia_gpu() is None

    def fail(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(9, command)

    monkeypatch.setattr(nvidia_driver.subprocess, "run", fail)
    assert nvidia_gpu() is None
    assert cuda_advice(nvidia_gpu()) is None


def test_a_cpu_build_beside_a_gpu_is_named_with_the_remedy(
    driver: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(nvidia_driver.sys, "platform", "win32")
    assert "NVIDIA H200 is present, but torch" in str(cuda_advice(nvidia_gpu()))
    assert "CPU build: use torch_index=cu130" in str(cuda_advice(nvidia_gpu()))


def test_a_driver_too_old_for_torch_is_named_with_the_remedy(
    driver: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    driver[0] = "NVIDIA H200, 560.1\n"
    advice = str(cuda_advice(nvidia_gpu()))
    assert "its driver 560 does not support CUDA 13.0 of torch: use torch_index=cu126" in advice
    driver[0] = "NVIDIA H200, 470.1\n"
    assert "its driver 470 is too old: update it" in str(cuda_advice(nvidia_gpu()))


def test_no_advice_where_torch_uses_the_gpu(
    driver: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert cuda_advice(nvidia_gpu()) is None
