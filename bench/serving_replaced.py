"""How long a worker that was killed under load is missing, and what that costs: a group of two as `shipway serve` has it."""

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from serving_process import INFER
from serving_setup import ONE_THREAD, Row, Work

from shipway.kernel.digest import Digest
from shipway.operate._control import TURN_SECONDS
from shipway.operate._group import Group
from shipway.operate._serve import Serving

CONNECTIONS, KILLS = 8, 5
_STEADY_SECONDS = 1.0  # of load before each kill
_DEPLOYMENT = Digest("sha256:" + "d" * 64)


def measure_replaced(work: Work) -> list[Row]:
    """The longest of some kills, of one of two workers under as many requests as eight clients have in hand."""
    rows = []
    for form, config in (("native", work.given.native), ("onnx", work.given.onnx)):
        seconds, failed = _killed(work, form, config, 2 if work.quick else KILLS)
        figure = f"{form}: a worker of two killed under load: until another one is ready, the longest of {len(seconds)} kills"
        rows.append(_row(figure, "s", max(seconds), 2.0))
        figure = f"{form}: requests that failed by one such kill, the most, of {CONNECTIONS} in hand"
        rows.append(_row(figure, "", max(failed), CONNECTIONS))
    return rows


def _killed(work: Work, form: str, config: Path, kills: int) -> tuple[list[float], list[int]]:
    """Seconds from each kill to two ready workers, and failed requests of each."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | ONE_THREAD
    serving = Serving("deploy/delay@bench", _DEPLOYMENT, _DEPLOYMENT, tuple(work.predictor(config)), 2, returns=True)
    group = Group(serving.ref, 0, work.folder / f"replaced-{form}.log", environ, {})
    seconds, failed = [], []
    try:
        group.switch(serving)
        for number in range(kills):
            with _Clients(group.url, work.given.rows[:CONNECTIONS].tolist()) as clients:
                time.sleep(_STEADY_SECONDS)
                began = time.monotonic()
                os.kill(group.workers[number % 2].process.pid, signal.SIGKILL)
                while not group.replace_dead():
                    time.sleep(TURN_SECONDS)
                seconds.append(time.monotonic() - began)
                time.sleep(_STEADY_SECONDS)
            failed.append(clients.failed)
    finally:
        group.stop()
    return seconds, failed


class _Clients:
    """Each asks one row after another, on one connection as long as that lives. failed: requests without an answer."""

    def __init__(self, url: str, rows: list[list[float]]) -> None:
        self.failed, self._stop, self._host = 0, threading.Event(), url.removeprefix("http://")
        self._threads = [threading.Thread(target=self._ask, args=(row,)) for row in rows]

    def __enter__(self) -> "_Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, row: list[float]) -> None:
        body = json.dumps({"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}]})
        connection = HTTPConnection(self._host, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", INFER, body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status != 200
            except (OSError, HTTPException):
                self.failed += 1
                connection.close()
        with suppress(OSError):
            if connection.sock:
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()


def _row(figure: str, unit: str, ours: float, bar: float) -> Row:
    found = {"figure": figure, "unit": unit, "ours": round(ours, 3), "peer": None, "peer_name": None, "ratio": None}
    return {**found, "bar": bar, "bar_unit": unit, "holds": ours <= bar}
