"""The loader plan on any hardware."""

import logging
import multiprocessing
import time
from typing import Any

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.data import SequentialTorchTrainingDataset, TorchTrainingSample
from hypothesis import given
from hypothesis import strategies as st
from my_forecast.config import LoaderConfig
from my_forecast.data import Panel
from my_forecast.errors import UserError
from my_forecast.loading.batch_cost import BatchCost, measure_batch_cost
from my_forecast.loading.hardware import Hardware
from my_forecast.loading.plan import dataloader_kwargs, plan_loader
from my_forecast.loading.windows import WindowDataset
from my_forecast.loading.workers import attend_workers
from torch.utils.data import DataLoader, Dataset, TensorDataset

LINUX = ("fork", "spawn", "forkserver")
# the default of Python 3.14
LINUX_314 = ("forkserver", "spawn", "fork")
WINDOWS = ("spawn",)
MACOS = ("spawn", "fork", "forkserver")

GIB, MIB = 1 << 30, 1 << 20


def hardware(
    system: str = "Linux",
    accelerator: str = "cpu",
    cpus: int = 8,
    methods: tuple[str, ...] | None = None,
    **facts: Any,
) -> Hardware:
    """Return the facts of some hardware."""
    methods = methods or {"Linux": LINUX, "Windows": WINDOWS, "Darwin": MACOS}[system]
    values: dict[str, Any] = {
        "local_ranks": 1,
        "wsl": False,
        "memory": 16 * GIB,
        "shared_memory": 8 * GIB if system == "Linux" else None,
    }
    return Hardware(
        system=system,
        start_methods=methods,
        usable_cpus=cpus,
        accelerator=accelerator,
        **{**values, **facts},
    )


def cost_of(milliseconds: float, cpu: float = 1.0, **facts: Any) -> BatchCost:
    """Return the cost of 20,000 batches; ``cpu`` is the fraction of their time spent computing."""
    values = {"batches": 20_000, "batch_bytes": MIB // 8, **facts}
    return BatchCost(milliseconds / 1e3, cpu * milliseconds / 1e3, **values)


# from memory; 2 ms of Python per window, 32 windows a batch; 10 ms of waiting for a disk per window
FAST, PYTHON, DISK = cost_of(0.06), cost_of(64), cost_of(320, cpu=0.02)
NONE = (0, None, None, None, False, None)


def workers(number: int, method: str, pinned: bool = False) -> tuple[Any, ...]:
    """Return the plan with workers."""
    return (number, method, True, 2, pinned, 300)


HARDWARE = {
    # windows gathered from memory: no workers, on any machine
    "Linux laptop": (hardware(), FAST, NONE),
    "Linux laptop, Python 3.14": (hardware(methods=LINUX_314), FAST, NONE),
    "Linux CUDA workstation": (hardware(accelerator="cuda", cpus=64), FAST, NONE),
    "Linux CUDA, Python 3.14": (hardware(accelerator="cuda", methods=LINUX_314), FAST, NONE),
    "Windows laptop": (hardware("Windows"), FAST, NONE),
    "Windows CUDA": (hardware("Windows", "cuda"), FAST, NONE),
    "macOS": (hardware("Darwin"), FAST, NONE),
    "macOS MPS": (hardware("Darwin", "mps"), FAST, NONE),
    "WSL2": (hardware(wsl=True), FAST, NONE),
    "WSL2 CUDA": (hardware(accelerator="cuda", wsl=True), FAST, NONE),
    "one CPU": (hardware(cpus=1), FAST, NONE),
    "container, 2 of 64 CPUs": (hardware(cpus=2), FAST, NONE),
    "container, 64 MB /dev/shm": (hardware(shared_memory=64 * MIB), FAST, NONE),
    "Slurm, 4 ranks on 64 CPUs": (hardware(cpus=64, local_ranks=4), FAST, NONE),
    # slow Python per window: as many workers as there are CPUs beside the training
    "Linux, Python": (hardware(), PYTHON, workers(8, "forkserver")),
    "Linux 3.14, Python": (hardware(methods=LINUX_314), PYTHON, workers(8, "forkserver")),
    "Linux CUDA, Python": (
        hardware(accelerator="cuda"),
        PYTHON,
        workers(8, "forkserver", pinned=True),
    ),
    "Linux CUDA 64 CPUs, Python": (
        hardware(accelerator="cuda", cpus=64),
        PYTHON,
        workers(16, "forkserver", pinned=True),
    ),
    "Linux without forkserver, Python": (
        hardware(methods=("spawn", "fork")),
        PYTHON,
        workers(8, "spawn"),
    ),
    "Windows, Python": (hardware("Windows"), PYTHON, workers(8, "spawn")),
    "Windows CUDA, Python": (
        hardware("Windows", "cuda", cpus=16, memory=64 * GIB),
        PYTHON,
        workers(15, "spawn", pinned=True),
    ),
    "Windows CUDA, 16 GB, Python": (
        hardware("Windows", "cuda", cpus=16),
        PYTHON,
        workers(13, "spawn", pinned=True),
    ),
    "Windows, 4 CPUs, Python": (hardware("Windows", cpus=4), PYTHON, workers(4, "spawn")),
    "macOS MPS, Python": (hardware("Darwin", "mps", cpus=10), PYTHON, workers(10, "spawn")),
    "WSL2 CUDA, Python": (
        hardware(accelerator="cuda", wsl=True),
        PYTHON,
        workers(8, "forkserver"),
    ),
    "one CPU, Python": (hardware(cpus=1), PYTHON, NONE),
    "one CPU CUDA, Python": (hardware(accelerator="cuda", cpus=1), PYTHON, NONE),
    "two CPUs, Python": (hardware(cpus=2), PYTHON, workers(2, "forkserver")),
    "container, 2 of 64 CPUs, Python": (
        hardware(accelerator="cuda", cpus=2),
        PYTHON,
        workers(2, "forkserver", pinned=True),
    ),
    "Slurm, 4 ranks on 64 CPUs, Python": (
        hardware(accelerator="cuda", cpus=64, local_ranks=4),
        PYTHON,
        workers(15, "forkserver", pinned=True),
    ),
    "Slurm, 4 ranks on 8 CPUs, Python": (
        hardware(accelerator="cuda", cpus=8, local_ranks=4),
        PYTHON,
        workers(2, "forkserver", pinned=True),
    ),
    "more ranks than CPUs, Python": (hardware(cpus=2, local_ranks=4), PYTHON, NONE),
    "Python, a short training": (
        hardware(),
        cost_of(64, batches=20),
        NONE,
    ),
    "Windows, Python, a training of a minute": (
        hardware("Windows"),
        cost_of(64, batches=1000),
        workers(7, "spawn"),
    ),
    # waiting for a disk: CPUs are no limit
    "Linux, disk": (hardware(), DISK, workers(16, "forkserver")),
    "two CPUs, disk": (hardware(cpus=2), DISK, workers(16, "forkserver")),
    "one CPU, disk": (hardware(cpus=1), DISK, workers(16, "forkserver")),
    "Windows, disk": (hardware("Windows", memory=64 * GIB), DISK, workers(16, "spawn")),
    "macOS MPS, disk": (
        hardware("Darwin", "mps", memory=64 * GIB),
        DISK,
        workers(16, "spawn"),
    ),
    # memory and shared memory
    "4 GB free, Windows, disk": (hardware("Windows", memory=4 * GIB), DISK, workers(3, "spawn")),
    # one worker alone saves nothing
    "2 GB free, Windows, disk": (hardware("Windows", memory=2 * GIB), DISK, NONE),
    "1 GB free, Windows, disk": (hardware("Windows", memory=1 * GIB), DISK, NONE),
    "1 GB free, Linux, disk": (hardware(memory=1 * GIB), DISK, workers(4, "forkserver")),
    "64 MB /dev/shm, small batches": (
        hardware(shared_memory=64 * MIB),
        DISK,
        workers(16, "forkserver"),
    ),
    "64 MB /dev/shm, batches of 2 MB": (
        hardware(shared_memory=64 * MIB),
        cost_of(320, cpu=0.02, batch_bytes=2 * MIB),
        workers(2, "forkserver"),
    ),
    "64 MB /dev/shm, data of 1 GB": (
        hardware(shared_memory=64 * MIB),
        cost_of(64, dataset_bytes=GIB),
        NONE,
    ),
    "no validation: one set of workers": (
        hardware("Windows", memory=2 * GIB),
        cost_of(320, cpu=0.02, loaders=1),
        workers(3, "spawn"),
    ),
    # gathered on the accelerator
    "windows on the GPU": (
        hardware(accelerator="cuda"),
        cost_of(0.06, on_accelerator=True),
        NONE,
    ),
    "windows on the GPU, however slow": (
        hardware(accelerator="cuda"),
        cost_of(64, on_accelerator=True),
        NONE,
    ),
}


@pytest.mark.parametrize("name", HARDWARE)
def test_auto(name: str) -> None:
    facts, cost, expected = HARDWARE[name]
    plan = plan_loader(LoaderConfig(), facts, cost)
    assert tuple(choice.value for choice in plan.values()) == expected
    assert all(choice.reason for choice in plan.values())


@pytest.mark.parametrize(
    ("facts", "cost", "reason"),
    [
        (hardware(), FAST, "a batch takes 0.06 ms; workers would cost more time than they save"),
        (hardware(cpus=2), PYTHON, "a batch takes 64 ms, mostly computing; 2 usable CPUs"),
        (hardware(cpus=2), DISK, "320 ms, mostly waiting; 2 usable CPUs; more than 16 rarely help"),
        (hardware("Windows", memory=GIB), DISK, "320 ms, but only 1.0 GiB of memory is free"),
        (
            hardware(shared_memory=64 * MIB),
            cost_of(64, dataset_bytes=GIB),
            "64 ms, but /dev/shm has only 64 MiB free",
        ),
    ],
)
def test_the_reason_names_what_decided(facts: Hardware, cost: BatchCost, reason: str) -> None:
    assert reason in plan_loader(LoaderConfig(), facts, cost)["num_workers"].reason


def test_the_longest_wait_for_a_batch_grows_with_its_time() -> None:
    found = plan_loader(LoaderConfig(num_workers=2), hardware(), cost_of(20_000))["timeout"]
    assert found.value == 2000
    assert found.reason == "a batch takes 2e+04 ms; a worker that takes this long hangs"


def test_a_value_that_is_set_wins() -> None:
    config = LoaderConfig(
        num_workers=3,
        multiprocessing_context="fork",
        persistent_workers=False,
        prefetch_factor=5,
        pin_memory=False,
        timeout=60,
    )
    plan = plan_loader(config, hardware(accelerator="cuda"), FAST)
    values = {name: choice.value for name, choice in plan.items()}
    assert values == vars(config)
    assert plan["num_workers"].reason == "set in the config"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"num_workers": 0, "prefetch_factor": 2},
            "dataloader.prefetch_factor: 2 requires workers",
        ),
        (
            {"num_workers": 0, "persistent_workers": True},
            "persistent_workers: true requires workers",
        ),
        ({"multiprocessing_context": "spawn"}, "multiprocessing_context: spawn requires workers"),
        ({"timeout": 60}, "dataloader.timeout: 60 requires workers"),
        ({"pin_memory": True}, "dataloader.pin_memory: true requires CUDA"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan_loader(LoaderConfig(**values), hardware(), FAST)


AUTO = st.just("auto")


@given(
    config=st.builds(
        LoaderConfig,
        num_workers=AUTO | st.integers(0, 4),
        multiprocessing_context=AUTO | st.sampled_from(["fork", "spawn", "forkserver"]),
        persistent_workers=AUTO | st.booleans(),
        prefetch_factor=AUTO | st.integers(1, 4),
        pin_memory=AUTO | st.booleans(),
        timeout=AUTO | st.integers(0, 600),
    ),
    facts=st.builds(
        hardware,
        system=st.sampled_from(["Linux", "Windows", "Darwin"]),
        accelerator=st.sampled_from(["cpu", "cuda", "mps"]),
        cpus=st.integers(1, 128),
        wsl=st.booleans(),
        local_ranks=st.integers(1, 8),
        memory=st.integers(0, 2**40),
        shared_memory=st.none() | st.integers(0, 2**36),
    ),
    cost=st.builds(
        cost_of,
        st.floats(0.01, 1000),
        st.floats(0, 1),
        batches=st.integers(1, 10**6),
        dataset_bytes=st.integers(0, 2**36),
        loaders=st.integers(1, 2),
        on_accelerator=st.booleans(),
    ),
)
def test_every_plan_is_one_that_torch_accepts(
    config: LoaderConfig, facts: Hardware, cost: BatchCost
) -> None:
    try:
        plan = plan_loader(config, facts, cost)
    except UserError:
        return
    arguments = dataloader_kwargs(plan, seed=0)
    context = arguments.get("multiprocessing_context")
    assert context is None or context in facts.start_methods
    if context not in multiprocessing.get_all_start_methods():
        arguments.pop("multiprocessing_context", None)
    DataLoader(TensorDataset(torch.zeros(3)), **arguments)


def test_fork_is_refused_on_windows() -> None:
    config = LoaderConfig(num_workers=2, multiprocessing_context="fork")
    with pytest.raises(UserError, match=r"'fork' is not available on Windows\. Use auto or spawn"):
        plan_loader(config, hardware("Windows"), FAST)


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_accepts_the_arguments_and_each_call_returns_new_ones(workers: int) -> None:
    plan = plan_loader(LoaderConfig(num_workers=workers), hardware(), FAST)
    first = dataloader_kwargs(plan, seed=0)
    DataLoader(TensorDataset(torch.zeros(3)), **first)
    first.clear()
    assert dataloader_kwargs(plan, seed=0)["num_workers"] == workers


def test_workers_cannot_gather_on_the_accelerator() -> None:
    cost = cost_of(0.06, on_accelerator=True)
    gpu = hardware(accelerator="cuda")
    with pytest.raises(UserError, match=r"workers cannot gather .* or data\.device=host"):
        plan_loader(LoaderConfig(num_workers=2), gpu, cost)
    with pytest.raises(UserError, match=r"pin_memory: true requires batches on the host"):
        plan_loader(LoaderConfig(pin_memory=True), gpu, cost)


def test_data_that_does_not_fit_into_shared_memory_is_not_sent_to_workers() -> None:
    container = hardware(shared_memory=64 * MIB)
    large = cost_of(0.06, dataset_bytes=GIB)
    with pytest.raises(
        UserError,
        match=r"data \(1024 MiB\) does not fit in /dev/shm \(64 MiB free\).*memory-mapped",
    ):
        plan_loader(LoaderConfig(num_workers=2), container, large)
    forked = LoaderConfig(num_workers=2, multiprocessing_context="fork")
    assert plan_loader(forked, container, large)["num_workers"].value == 2


def test_more_workers_than_cpus_are_allowed_but_mentioned() -> None:
    plan = plan_loader(LoaderConfig(num_workers=8), hardware(cpus=2), FAST)
    assert plan["num_workers"].value == 8
    assert plan["num_workers"].reason == "set in the config, above the 2 usable CPUs"


class SlowDataset(Dataset[TorchTrainingSample]):
    """Windows that take 2 ms each, of waiting or of computing."""

    def __init__(self, waits: bool) -> None:
        """Wait or compute."""
        self.waits = waits

    def __len__(self) -> int:
        """Return the number of windows."""
        return 1000

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return a window after 2 ms."""
        end = time.perf_counter() + 0.002
        np.random.random()
        if self.waits:
            time.sleep(0.002)
        while time.perf_counter() < end:
            pass
        window = np.zeros((6, 1), dtype=np.float32)
        return TorchTrainingSample(past_target=window, future_target=window)


class LoggingDataset(Dataset[str]):
    """Says in its log what it loads."""

    def __len__(self) -> int:
        """Return the number of items."""
        return 4

    def __getitem__(self, index: int) -> str:
        """Return an item."""
        logging.getLogger("some.data").info("loaded %d", index)
        return "item"


@pytest.mark.parametrize("context", [None, *multiprocessing.get_all_start_methods()])
def test_what_workers_log_reaches_the_log_of_this_process(
    context: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), attend_workers(context) as worker_init_fn:
        loader = DataLoader(
            LoggingDataset(),
            num_workers=2 if context else 0,
            multiprocessing_context=context,
            worker_init_fn=worker_init_fn,
        )
        assert len(list(loader)) == 4
    messages = [record.getMessage() for record in caplog.records if record.name == "some.data"]
    assert sorted(messages) == ["loaded 0", "loaded 1", "loaded 2", "loaded 3"]


@pytest.mark.parametrize("waits", [True, False])
def test_a_measurement_is_short_and_leaves_the_random_states_alone(waits: bool) -> None:
    np.random.seed(3)
    expected = np.random.RandomState(3).random()
    start = time.perf_counter()
    cost = measure_batch_cost(SlowDataset(waits), batch_size=32, batches=320, loaders=1)
    assert time.perf_counter() - start < 1
    assert np.random.random() == expected
    assert cost.batches == 320
    assert cost.loaders == 1
    assert cost.batch_bytes == 32 * 2 * 6 * 4
    assert cost.batch_seconds >= 0.064
    assert (cost.batch_cpu_seconds < cost.batch_seconds / 2) == waits


def test_busy_cpus_are_not_taken_for_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where windows are in memory, a slow clock means that other programs run."""
    series = TimeSeries.from_values(np.arange(500, dtype=np.float32))
    shape = SequentialTorchTrainingDataset(series, input_chunk_length=8, output_chunk_length=4)
    windows = WindowDataset(shape, Panel.from_series(series))
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() * 1000)
    cost = measure_batch_cost(windows, batch_size=32, batches=10)
    assert cost.batch_seconds <= cost.batch_cpu_seconds
    assert plan_loader(LoaderConfig(), hardware(), cost)["num_workers"].value == 0


def test_batches_that_do_not_fit_into_shared_memory_are_not_loaded_by_workers() -> None:
    """Workers that are set in the config: those that auto chooses always fit."""
    container = hardware(shared_memory=64 * MIB)
    large = cost_of(64, batch_bytes=12 * MIB, loaders=1)
    with pytest.raises(
        UserError, match=r"8 workers load up to 16 batches ahead \(12 MiB each\).* has 64 MiB left"
    ):
        plan_loader(LoaderConfig(num_workers=8), container, large)
    with pytest.raises(UserError, match="2 workers load up to 6 batches ahead"):
        plan_loader(LoaderConfig(num_workers=2, prefetch_factor=3), container, large)
    assert plan_loader(LoaderConfig(num_workers=2), container, large)["num_workers"].value == 2
    assert plan_loader(LoaderConfig(), container, large)["num_workers"].value < 8
    larger = hardware(shared_memory=512 * MIB)
    assert plan_loader(LoaderConfig(prefetch_factor=8), larger, large)["num_workers"].value == 2
