"""What a user writes who follows public advice on DataLoader workers; prints its times as JSON.

The advice is to import at the top, to guard the main program, to use many workers and to keep them
between epochs. Of the project it has the data, the split, the sizes and the number of steps.
"""

import json
import sys
import time

import pandas as pd
from darts import TimeSeries
from darts.models import NLinearModel
from pytorch_lightning.callbacks import EarlyStopping

WORKERS = 8


def main(path: str, epochs: int, train_batches: int, validation_batches: int) -> None:
    """Train on 80 % of every series and validate on the next 10 %."""
    series = TimeSeries.from_group_dataframe(
        pd.read_parquet(path),
        group_cols="series",
        time_col="time",
        value_cols="value",
        drop_group_cols="series",
    )
    train_end, validation_end = int(0.8 * len(series[0])), int(0.9 * len(series[0]))
    model = NLinearModel(
        input_chunk_length=96,
        output_chunk_length=24,
        normalize=True,
        batch_size=256,
        n_epochs=epochs,
        random_state=0,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "limit_train_batches": train_batches,
            "limit_val_batches": validation_batches,
            "callbacks": [EarlyStopping(monitor="val_loss", patience=10)],
        },
    )
    start = time.perf_counter()
    model.fit(
        [one[:train_end] for one in series],
        val_series=[one[train_end - 96 : validation_end] for one in series],
        dataloader_kwargs={
            "num_workers": WORKERS,
            "persistent_workers": True,
            "multiprocessing_context": "spawn",
        },
    )
    print(json.dumps({"fit": time.perf_counter() - start}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
