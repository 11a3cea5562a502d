"""Static covariates: what is known of a series as a whole, as numbers that a model can read."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from darts import TimeSeries
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from ..errors import UserError

CATEGORIES = "categories"


def fit_static(targets: Sequence[TimeSeries], encoding: str) -> ColumnTransformer | None:
    """Fit the encoder of static covariates: numbers are standardised, text is encoded.

    Args:
        targets: of the training; all have the same static covariates, or none.
        encoding: of text: ``onehot`` (a column of 0 and 1 for each category) or ``ordinal`` (its
            number, for models that embed it).

    Returns:
        The encoder, None where there are no static covariates.
    """
    if targets[0].static_covariates is None:
        return None
    table = _table(targets)
    numbers = list(table.select_dtypes(include="number"))
    texts = [column for column in table if column not in numbers]
    categories = OneHotEncoder(sparse_output=False) if encoding == "onehot" else OrdinalEncoder()
    return ColumnTransformer(
        [("numbers", StandardScaler(), numbers), (CATEGORIES, categories, texts)],
        verbose_feature_names_out=False,
    ).fit(table.astype(dict.fromkeys(texts, str)))


def encode_static(encoder: ColumnTransformer, targets: Sequence[TimeSeries]) -> list[TimeSeries]:
    """Return ``targets`` with encoded static covariates, as float32; values are not copied.

    Raises:
        UserError: naming the categories that the encoder does not know.
    """
    table = _table(targets)
    texts = next(columns for name, _, columns in encoder.transformers_ if name == CATEGORIES)
    table = table.astype(dict.fromkeys(texts, str))
    if texts:
        known = encoder.named_transformers_[CATEGORIES].categories_
        for column, categories in zip(texts, known, strict=True):
            new = sorted(set(table[column]) - set(categories))
            if new:
                raise UserError(
                    f"Static covariate {column!r}: {new[:3]} did not occur in the training, only "
                    f"{list(categories[:10])}. Correct the data, or train again."
                )
    encoded = pd.DataFrame(
        encoder.transform(table).astype(np.float32), columns=encoder.get_feature_names_out()
    )
    rows = np.cumsum([len(series.static_covariates) for series in targets])
    each = np.split(np.arange(len(table)), rows[:-1])
    return with_static(targets, [encoded.iloc[rows] for rows in each])


def with_static(
    targets: Sequence[TimeSeries], covariates: Sequence[pd.DataFrame | None]
) -> list[TimeSeries]:
    """Return ``targets`` with these static covariates; unlike Darts' method, without copying."""
    return [
        TimeSeries(
            times=series.time_index,
            values=series.values(copy=False),
            components=series.components,
            static_covariates=one,
            hierarchy=series.hierarchy,
            metadata=series.metadata,
            copy=False,
        )
        for series, one in zip(targets, covariates, strict=True)
    ]


def _table(targets: Sequence[TimeSeries]) -> pd.DataFrame:
    """Return the static covariates of all series, one below the other."""
    return pd.concat([series.static_covariates for series in targets], ignore_index=True)
