"""The airline's booking system, replayed: asks for every flight before it departs, tells later how it went.

    python replay.py --data DIR --predict URL --outcomes URL --from 2013-02-01 --to 2013-09-30 [--progress]

Day by day in event order it asks `URL/v2/models/delay/infer` (Open Inference Protocol v2, inputs as binary tensors, so
that a missing number travels as NaN) and, one simulated day later, posts to the outcomes URL whether each flight was
late, as JSON lines: {"id": "2013-02-01-0:17", "name": "late", "value": 1, "time": "2013-02-02T09:15:00"}. The id of a
prediction is that of its request and the row in it. Flights that never arrived have no outcome and are left out.
"""

import argparse
import http.client
import json
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import flights as pipeline
import numpy as np
import polars as pl

MODEL_PATH = "/v2/models/delay/infer"
MAX_ROWS = 1_000  # in one request
ATTEMPTS = 8
MAX_PAUSE_S = 5.0
DATATYPES = {pl.String: "BYTES", pl.Float64: "FP64", pl.Int64: "INT64", pl.Boolean: "BOOL"}
LITTLE_ENDIAN = {pl.Float64: "<f8", pl.Int64: "<i8", pl.Boolean: "?"}


class Refused(Exception):
    """The other side answered, or did not, in a way that trying again does not mend."""


class Client:
    """One kept connection; asks again, a bounded number of times, when the server is away or busy."""

    def __init__(self, url: str, path: str = "") -> None:
        self.address: SplitResult = urlsplit(url)
        if self.address.scheme not in ("http", "https") or not self.address.hostname:
            raise Refused(f"not an http address: {url!r}")
        self.path = (self.address.path.rstrip("/") + path) or "/"
        self.url = f"{self.address.scheme}://{self.address.netloc}{self.path}"
        self.connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes, headers: dict[str, str]) -> bytes:
        """The body of the 2xx answer."""
        trouble = ""
        for attempt in range(ATTEMPTS):
            pause = min(0.1 * 2**attempt, MAX_PAUSE_S)
            try:
                response, answer = self._send(body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                trouble = f"{type(error).__name__}: {error}"
            else:
                if response.status < 300:
                    return answer
                trouble = f"HTTP {response.status} {response.reason}: {answer[:500].decode(errors='replace')}"
                if response.status != http.client.SERVICE_UNAVAILABLE:
                    raise Refused(f"{self.url}: {trouble}")
                pause = _retry_after(response, default=pause)
            if attempt + 1 < ATTEMPTS:
                time.sleep(pause)
        raise Refused(f"{self.url}: gave up after {ATTEMPTS} attempts; the last: {trouble}")

    def _send(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        if self.connection is None:
            https = self.address.scheme == "https"
            connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
            self.connection = connect(self.address.hostname or "", self.address.port, timeout=60)
        query = f"?{self.address.query}" if self.address.query else ""
        self.connection.request("POST", self.path + query, body, headers)
        response = self.connection.getresponse()
        return response, response.read()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def _retry_after(response: http.client.HTTPResponse, *, default: float) -> float:
    """Seconds the server asks us to wait; its date form is not worth parsing here."""
    asked = response.headers.get("Retry-After", "").strip()
    return min(float(asked), MAX_PAUSE_S) if asked.isdigit() else default


def read_bookings(data: Path, first: date, last: date) -> pl.DataFrame:
    """The flights of those days that arrived: key, event time and features as in training, `late`, in event order."""
    day = pl.date("year", "month", "day")
    flights = (
        pl.scan_parquet(data / "flights" / "*.parquet")
        .filter(day.is_between(first, last), pl.col("arr_delay").is_not_null())
        .collect()
    )
    weather = pl.read_parquet(data / "weather" / "*.parquet")
    planes = pl.read_parquet(data / "planes" / "*.parquet")
    rows = pipeline._features(flights, weather, planes)
    return rows.with_columns(late=flights["arr_delay"] > pipeline.LATE_MINUTES).sort("scheduled", "flight")


def encode_tensor(column: pl.Series) -> bytes:
    """Little-endian values; text is each value's length in 4 bytes and its UTF-8."""
    if column.dtype == pl.String:
        values = [value.encode() for value in column]
        return b"".join(part for value in values for part in (len(value).to_bytes(4, "little"), value))
    if column.dtype == pl.Float64:
        column = column.fill_null(float("nan"))
    return column.to_numpy().astype(LITTLE_ENDIAN[column.dtype.base_type()]).tobytes()


def encode_request(request_id: str, rows: pl.DataFrame) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one inference request: a tensor of shape [n] per column."""
    rows = rows.with_columns(pl.col("scheduled").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    tensors = [encode_tensor(column) for column in rows]
    inputs = [
        {
            "name": column.name,
            "shape": [rows.height],
            "datatype": DATATYPES[column.dtype.base_type()],
            "parameters": {"binary_data_size": len(tensor)},
        }
        for column, tensor in zip(rows, tensors, strict=True)
    ]
    head = json.dumps({"id": request_id, "inputs": inputs}, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return b"".join([head, *tensors]), headers


def ask(client: Client, request_id: str, rows: pl.DataFrame) -> np.ndarray:
    """The probabilities of being late, one per row."""
    answer = client.post(*encode_request(request_id, rows.drop("late")))
    try:
        predicted = np.asarray(json.loads(answer)["outputs"][0]["data"], dtype=float).ravel()
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Refused(f"{client.url}: not an inference response ({error!r}): {answer[:200]!r}") from error
    if predicted.size != rows.height:
        raise Refused(f"{client.url}: {predicted.size} predictions for the {rows.height} rows of {request_id}")
    return predicted


def predict_day(client: Client, day: date, rows: pl.DataFrame) -> tuple[np.ndarray, bytes]:
    """That day's predictions, and its outcomes as JSON lines for a day later."""
    predicted, outcomes = [], []
    for number, batch in enumerate(rows.iter_slices(MAX_ROWS)):
        request_id = f"{day}-{number}"
        predicted.append(ask(client, request_id, batch))
        known = batch["scheduled"].dt.offset_by("1d").dt.strftime("%Y-%m-%dT%H:%M:%S")
        outcomes += [
            json.dumps({"id": f"{request_id}:{row}", "name": "late", "value": int(late), "time": when})
            for row, (late, when) in enumerate(zip(batch["late"], known, strict=True))
        ]
    return np.concatenate(predicted), "".join(line + "\n" for line in outcomes).encode()


def replay(bookings: pl.DataFrame, predict: Client, outcomes: Client, *, progress: bool) -> None:
    yesterday = b""
    for month, flights in _groups(bookings, pl.col("scheduled").dt.strftime("%Y-%m")):
        predicted = 0.0
        for day, rows in _groups(flights, pl.col("scheduled").dt.date()):
            chances, today = predict_day(predict, day, rows)
            predicted += float(chances.sum())
            _tell(outcomes, yesterday)
            yesterday = today
        if progress:
            number, late = flights.height, int(flights["late"].sum())
            shares = f"predicted late {predicted / number:.1%}  were late {late / number:.1%}"
            print(f"{month}  {number:6,} flights  {shares}", file=sys.stderr, flush=True)
    _tell(outcomes, yesterday)


def _groups(rows: pl.DataFrame, by: pl.Expr) -> Iterator[tuple[Any, pl.DataFrame]]:
    for (key,), group in rows.group_by(by, maintain_order=True):
        yield key, group


def _tell(client: Client, outcomes: bytes) -> None:
    if outcomes:
        client.post(outcomes, {"Content-Type": "application/x-ndjson"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder written by get_data.py")
    parser.add_argument("--predict", required=True, help="address of the server that answers " + MODEL_PATH)
    parser.add_argument("--outcomes", required=True, help="address that takes outcomes as JSON lines")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first day")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True, help="last day, included")
    parser.add_argument("--progress", action="store_true", help="one line a month on stderr")
    options = parser.parse_args()
    try:
        predict, outcomes = Client(options.predict, MODEL_PATH), Client(options.outcomes)
        if not (options.data / "flights").is_dir():
            raise Refused(f"no folder {options.data / 'flights'}; write it with: python get_data.py {options.data}")
        bookings = read_bookings(options.data, options.first, options.last)
        if bookings.is_empty():
            raise Refused(f"no flights from {options.first} to {options.last} in {options.data}")
        replay(bookings, predict, outcomes, progress=options.progress)
    except (Refused, OSError, pl.exceptions.PolarsError) as error:
        sys.exit(f"replay: {error}")


if __name__ == "__main__":
    main()
