"""One drift of two Parquet files by ours, as a whole process: `monitoring_ours.py exact|binned REFERENCE CURRENT [PROFILE]`.

Prints JSON: seconds of the computation alone, values by column. exact: as Evidently measures it, a column at a time. binned: of
the current rows against the stored profile of the reference, whose making is not counted.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl


def main() -> None:
    """Measure and print."""
    way, reference, current = sys.argv[1:4]
    print(json.dumps(exact(reference, current) if way == "exact" else binned(current, sys.argv[4])))


def exact(reference: str, current: str) -> dict[str, object]:
    """`lazy`: read and computed column by column, as a whole; the seconds are those of the computation on what was read."""
    from shipway.monitor.evidently import evidently_drift

    if len(sys.argv) > 4:  # the computation alone, on tables that are read
        tables = pl.read_parquet(reference), pl.read_parquet(current)
        began = time.process_time()
        found = evidently_drift(*tables)
    else:
        began = time.process_time()
        found = evidently_drift(pl.scan_parquet(reference), pl.scan_parquet(current))
    seconds = time.process_time() - began
    return {"seconds": seconds, "values": {one.column: one.value for one in found.columns}}


def binned(current: str, profile: str) -> dict[str, object]:
    """The profile of the current rows, and its drift."""
    from shipway.data import Profile, measure_drift, measure_profile

    reference, rows = Profile.from_json(json.loads(Path(profile).read_text())), pl.read_parquet(current)
    began = time.process_time()
    found = measure_drift(reference, measure_profile(reference, rows))
    seconds = time.process_time() - began
    return {"seconds": seconds, "values": {name: one.wasserstein for name, one in found.items()}}


main()
