"""A store: the series of a source in mapped files, prepared once and opened by many runs."""

import gc
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from omegaconf import DictConfig

from ..config import AnySource, CommandConfig, DataConfig, check_config
from ..data import Panel, SeriesArray, Storage, fingerprint
from ..data.checks import Problems
from ..data.files import FileSource
from ..data.sources import Source, read_data
from ..errors import UserError
from ..runs.folder import read_json, write_json
from .mapped import MappedArrays

# of the layout of stores
VERSION = 1
STORE, PLACES, STATIC = "store.json", "places.npz", "static.parquet"
# the keys of the series, and a column without values in place of the times
LABELS = "labels.parquet"
# what a ``SeriesArray`` says about each series
PLACE = ("first", "length", "start")


class PrepareConfig(CommandConfig):
    """The config of ``prepare.py``."""

    data: AnySource
    store: str


def prepare(composed: DictConfig) -> None:
    """Read and check the data of a source, and write it to a new store.

    Gaps stay: a run fills them, because the parts into which it divides the series matter.

    Raises:
        UserError: if the store exists, or the data cannot be used.
    """
    config = check_config(composed, PrepareConfig)
    folder = Path(config.store)
    if folder.exists():
        raise UserError(f"store: '{folder}' already exists. Choose another name, or delete it.")
    # what a killed run left is started again; only what is complete gets its name
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    count = write_store(unfinished, config.data)
    # Windows neither deletes nor moves files that are still mapped
    gc.collect()
    used = read_json(unfinished / STORE)["files"].values()
    for path in unfinished.glob("*.npy"):
        if path.name not in used:
            path.unlink()
    unfinished.replace(folder)
    print(f"Saved {count} series in {folder}")


def write_store(folder: Path, source: DataConfig) -> int:
    """Write the series of a source and what describes them, and return their number.

    Raises:
        UserError: if the data cannot be used.
    """
    panel, problems = read_data(source, MappedArrays(folder))
    problems.refuse()
    files, places = {}, {"times": panel.times.to_numpy()}
    for role, array in panel.roles.items():
        path = folder / f"{role}.npy"
        if isinstance(array.values, np.memmap):
            path = Path(str(array.values.filename))
        else:
            np.save(path, array.values)
        files[role] = path.name
        places |= {f"{role}.{key}": getattr(array, key) for key in PLACE}
    np.savez(folder / PLACES, **places)
    if panel.static_covariates is not None:
        panel.static_covariates.to_parquet(folder / STATIC)
    labels = pl.DataFrame() if panel.keys is None else panel.keys
    if (column := panel.time_column) is not None:
        labels = labels.with_columns(pl.lit(None, column.dtype).alias(column.name))
    labels.write_parquet(folder / LABELS)
    paths = source.paths() if isinstance(source, FileSource) else []
    content = {
        "version": VERSION,
        "names": panel.names,
        "components": {role: array.components for role, array in panel.roles.items()},
        "frequency": getattr(panel.times, "freqstr", None),
        "zone": panel.zone,
        "files": files,
        "fingerprint": fingerprint(panel),
        "sources": {str(path): _state(path) for path in paths},
    }
    write_json(folder / STORE, content)
    return len(panel.names)


class StoredPanel(Source):
    """A store that ``prepare.py`` wrote."""

    path: str

    @property
    def title(self) -> str:
        """Return the folder."""
        return self.path

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Map the values; see ``Source.read``.

        Raises:
            UserError: if the store is incomplete, damaged, of another version or outdated.
        """
        folder, again = Path(self.path), "Run prepare.py again."
        try:
            content = read_json(folder / STORE)
            version, sources = content["version"], content["sources"].items()
            changed = [path for path, state in sources if _state(Path(path)) not in (None, state)]
        # anything may be wrong with a file that anyone can edit
        except Exception as error:
            raise UserError(f"data.path: '{folder}' is not a complete store. {again}") from error
        if version != VERSION:
            raise UserError(f"data.path: '{folder}' is a store of another version. {again}")
        for path in changed:
            what = f"'{path}' has changed since the store was written"
            raise UserError(f"data.path: {what}. {again}")
        damaged = f"data.path: '{folder}' is damaged: its values have changed. {again}"
        try:
            panel = _open(folder, content)
            same = fingerprint(panel) == content["fingerprint"]
        except Exception as error:
            raise UserError(damaged) from error
        if not same:
            raise UserError(damaged)
        return panel


def _open(folder: Path, content: dict[str, Any]) -> Panel:
    places = np.load(folder / PLACES)
    arrays: dict[str, Any] = {}
    for role, components in content["components"].items():
        # filled gaps are in memory only
        values = np.load(folder / content["files"][role], mmap_mode="c")
        place = {key: places[f"{role}.{key}"] for key in PLACE}
        arrays[role] = SeriesArray(values, **place, components=components)
    times, static = places["times"], folder / STATIC
    if content["frequency"] is not None:
        axis: pd.Index = pd.DatetimeIndex(times, freq=content["frequency"])
    else:
        axis = pd.RangeIndex(times[0], times[-1] + 1, times[1] - times[0])
    table = pd.read_parquet(static) if static.is_file() else None
    panel = Panel(content["names"], axis, **arrays, static_covariates=table, zone=content["zone"])
    labels = pl.read_parquet(folder / LABELS)
    if not labels.columns:
        return panel
    *keys, column = labels.columns
    found = labels.select(keys) if keys else None
    return replace(panel, keys=found, time_column=pl.Field(column, labels.schema[column]))


def _state(path: Path) -> list[int] | None:
    """Return the size of a file and the time of its last change; None if there is no such file."""
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None
