"""A pipeline: every public function is a step, and the names of its arguments say what it takes.

An argument is another step, a data set under `data:` in shipway.yaml, or a parameter under `parameters:`. The return
annotation says how the value is kept. This one needs no data of yours: the table comes with scikit-learn. Replace it.
"""

import polars as pl
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

NOT_FEATURES = ["row", "malignant"]


def table() -> pl.DataFrame:
    """569 tumours, 30 measurements each."""
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    return pl.DataFrame(data.data, schema=names).with_columns(malignant=pl.Series(data.target == 0)).with_row_index("row")


def train(table: pl.DataFrame) -> pl.DataFrame:
    """What the model sees."""
    return table.head(400)


def reference(table: pl.DataFrame) -> pl.DataFrame:
    """What it never sees: measured on, and compared with later."""
    return table.tail(169)


def tumour(train: pl.DataFrame) -> Pipeline:
    """The model, of the columns in the table's order."""
    model = Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression(max_iter=1000))])
    return model.fit(train.drop(NOT_FEATURES).to_numpy(), train["malignant"].to_numpy())
