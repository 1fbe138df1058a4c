"""Tables of Arrow and Parquet at `/invocations`, read and written by a process apart. Imported with the first of them.

Neither library nor table ever enters the predictor itself: what comes back are columns. It is pyarrow of the release's own
environment that reads; where there is none, the media type is not read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from shipway.models import InputMismatch, Signature, decode_columns, encode_columns
from shipway.protocols._http import BodyMalformed, BodyTooLarge, Headers, MediaTypeUnknown, Reply
from shipway.protocols._v1 import REQUEST_ID, render_predict
from shipway.serve import Request, Response

ARROW = b"application/vnd.apache.arrow.stream"
KINDS = {ARROW: "arrow", b"application/vnd.apache.arrow.file": "arrow-file", b"application/vnd.apache.parquet": "parquet"}
"""What a table of a media type is to the process that reads it."""
_SECONDS = 30.0
_VARIABLES = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")  # of ours; secrets are none of its business


class TableReader:
    """One process that reads and writes tables, started when it is first asked and again when it has died."""

    def __init__(self, aside: Sequence[str], *, limit: int) -> None:
        self._aside, self._limit = [*aside], limit
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> tuple[Request, bool]:
        """The request in a table, and whether its answer should be one. Blocks. Raises what any body raises."""
        kind = KINDS[headers[b"content-type"].split(b";")[0].strip().lower()]
        inputs = [column.to_json() for column in signature.inputs]
        columns = decode_columns(self._ask(kind, body, inputs=inputs, aside=self._aside))
        return Request(None, columns), ARROW in headers.get(b"accept", b"").lower()

    def render(self, response: Response, as_table: bool) -> Reply:
        """An Arrow stream of the outputs, which names the release and the request; or V1's JSON. Blocks."""
        if not as_table:
            return render_predict(response, None)
        metadata = {"shipway.release": response.release, "shipway.request": response.id}
        body = self._ask("arrow-out", encode_columns(response.outputs), metadata=metadata)
        return Reply(200, body, ARROW, ((REQUEST_ID, response.id.encode()),))

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def _ask(self, kind: str, body: bytes, **more: object) -> bytes:
        line = {"kind": kind, "size": len(body), "limit": self._limit, "inputs": [], "aside": [], "metadata": {}, **more}
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            self._process = self._process or _start()
            killer = threading.Timer(_SECONDS, self._process.kill)
            killer.start()
            try:
                head, data = _exchange(self._process, json.dumps(line).encode() + b"\n" + body)
            except (OSError, ValueError) as problem:  # it has died of these bytes, or was killed over them
                self._end()
                what = f"the body cannot be read as {kind}: what reads it has ended, after {_SECONDS:g} s at the latest"
                raise BodyMalformed(what) from problem
            finally:
                killer.cancel()
        if "mismatch" in head:
            column, expected, given = head["mismatch"]
            raise InputMismatch(column=column, expected=expected, given=given)
        if "large" in head:
            raise BodyTooLarge(
                f"what the table unpacks to is larger than {self._limit} bytes", mend="send fewer rows a request"
            )
        if "problem" in head:
            raise BodyMalformed(f"the body cannot be read as {kind}: {head['problem']}")
        return data

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None


def check_reader(given: bytes) -> None:
    """Raises MediaTypeUnknown where the environment has nothing that reads such a table."""
    if find_spec("pyarrow") is None:
        what = f"Content-Type {given.decode('latin-1')}: the environment of this release has no pyarrow to read it"
        raise MediaTypeUnknown(what, mend="add pyarrow to the project's requirements, or send JSON or text/csv")


def _start() -> subprocess.Popen[bytes]:
    own = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    environ = {**own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "shipway.protocols.table_reader"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ)


def _exchange(process: subprocess.Popen[bytes], message: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Raises OSError or ValueError when the process is not there any more."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(message)
    process.stdin.flush()
    head = json.loads(process.stdout.readline())
    data = process.stdout.read(head.get("size", 0))
    if len(data) < head.get("size", 0):
        raise ValueError("cut short")
    return head, data
