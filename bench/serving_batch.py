"""`shipway score` against a bare loop: the same model over the same Arrow batches, one thread.

What a process takes to start is in neither rate: each scores a small file and a large one, and the difference counts.
`python serving_batch.py ours|bare IN OUT MODEL WORKERS` is one such process, which prints its seconds.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from serving_setup import INPUTS, ONE_THREAD, SIGNATURE, Row, Work

SMALL, LARGE = 50_000, 850_000  # rows


def measure(work: Work) -> list[Row]:
    """Rows of the results."""
    given, folder = work.given, work.folder
    rng = np.random.default_rng(1)
    files = {}
    for rows in (SMALL, LARGE):
        values = given.rows[rng.integers(0, len(given.rows), rows)] + rng.normal(size=(rows, INPUTS))
        files[rows] = folder / f"{rows}.parquet"
        pl.DataFrame({f"x{place}": values[:, place] for place in range(INPUTS)}).write_parquet(files[rows])
    words = json.dumps(work.predictor(given.native, module="shipway.serve.piped"))
    sides = {
        "ours": (words, "1"),
        "cores": (words, str(os.cpu_count())),
        "bare": (str(given.joblib), "1"),
    }
    best = {(side, rows): float("inf") for side in sides for rows in files}
    for _ in range(1 if work.quick else 3):
        for side, (model, workers) in sides.items():
            for rows, file in files.items():
                seconds = _seconds(side, file, folder / f"{side}.parquet", model, workers)
                best[side, rows] = min(best[side, rows], seconds)  # whatever else runs only adds
    rates = {side: (LARGE - SMALL) / max(1e-9, best[side, LARGE] - best[side, SMALL]) for side in sides}
    answers = [pl.read_parquet(folder / f"{side}.parquet")["probability"] for side in sides]
    equal = all(answer.equals(answers[0]) for answer in answers)
    return [
        _row(
            "batch: rows a second of `shipway score`, one worker, of a bare loop over Arrow batches",
            rates["ours"],
            rates["bare"],
            0.9,
            equal,
        ),
        _row("batch: the same with a worker a core, as it is when nothing is said", rates["cores"], rates["bare"], None, equal),
    ]


def _seconds(side: str, given: Path, out: Path, model: str, workers: str) -> float:
    out.unlink(missing_ok=True)
    words = [sys.executable, __file__, "bare" if side == "bare" else "ours", str(given), str(out), model, workers]
    one = {**ONE_THREAD, "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env={**os.environ, **one})
    if done.returncode:
        sys.exit(f"{side}: {done.stderr}")
    return float(done.stdout.split()[-1])


def _row(figure: str, ours: float, bare: float, bar: float | None, equal: bool) -> Row:
    ratio = ours / bare
    return {
        "figure": figure if equal else f"{figure} (answers differ)",
        "unit": "rows/s",
        "ours": round(ours),
        "peer": round(bare),
        "peer_name": "bare loop",
        "ratio": round(ratio, 3),
        "bar": bar,
        "bar_unit": "x",
        "holds": equal and (bar is None or ratio >= bar),
    }


def ours(given: Path, out: Path, words: list[str], workers: int) -> None:
    """What `shipway score` does once it has found the release."""
    from shipway.kernel.workers import Threads
    from shipway.operate import ScoreTask, score_files
    from shipway.operate._piped import PipedCommand  # a release's is made from the store, and there is none here

    digest = "sha256:" + "0" * 64
    command = PipedCommand(tuple(words), tuple(os.environ.items()))
    task = ScoreTask(digest, digest, SIGNATURE, command)
    score_files(task, given, out, workers=Threads(workers), tell=lambda *_: None, report=lambda _: None)


def bare(given: Path, out: Path, model: str) -> None:
    """The loop that anybody would write."""
    import joblib
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    estimator, writer = joblib.load(model), None
    for batch in pq.ParquetFile(given).iter_batches(batch_size=50_000):
        matrix = np.column_stack([column.to_numpy() for column in batch.columns])
        answers = pa.table({"probability": estimator.predict_proba(matrix)[:, 1]})
        writer = writer or pq.ParquetWriter(out, answers.schema)
        writer.write_table(answers)
    if writer:
        writer.close()


if __name__ == "__main__":
    side, source, target, model = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    began = time.perf_counter()
    if side == "bare":
        bare(source, target, model)
    else:
        ours(source, target, json.loads(model), int(sys.argv[5]))
    print(time.perf_counter() - began)
