"""A predictor process that is asked over HTTP, as a client would: one for a check, gone when it has answered."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import numpy as np

from shipway.kernel.errors import ShipwayError
from shipway.models import DATATYPES, Array, Column, datatype_of

_ANSWER_SECONDS = 300.0
_LENGTH = "Inference-Header-Content-Length"


class NotAnswered(ShipwayError):
    """A predictor process that was started for a check does not start, or does not answer its golden rows."""

    code = "operate.not-answered"


@contextmanager
def predictor_process(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[int]:
    """The port of a predictor that has reproduced its golden rows. words: start it and have it say so on stdout."""
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(environ), process_group=0)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {}
        if not said.get("ready"):
            error = said.get("error") or {}
            raise NotAnswered(f"the predictor did not start: {error.get('what', 'it said nothing')}", mend=error.get("mend"))
        yield int(said["port"])
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait()
        child.stdout.close()


def ask_predictor(port: int, model: str, columns: Mapping[str, Array], outputs: Sequence[Column]) -> dict[str, Array]:
    """The answer by Open Inference v2, numbers as their own bits, texts as JSON. Raises NotAnswered."""
    body, head = _message(columns, outputs)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", f"/v2/models/{model}/infer", body, {_LENGTH: str(head)})
        response = connection.getresponse()
        given = response.read()
        if response.status != 200:
            raise NotAnswered(f"the predictor answers with {response.status}: {given[:300].decode(errors='replace')}")
        return _outputs(given, int(response.getheader(_LENGTH) or len(given)))
    except (OSError, http.client.HTTPException) as problem:
        raise NotAnswered(f"the predictor does not answer: {problem}") from problem
    finally:
        connection.close()


def _message(columns: Mapping[str, Array], outputs: Sequence[Column]) -> tuple[bytes, int]:
    tensors, tail = [], b""
    for name, array in columns.items():
        datatype = datatype_of(array) or ""
        tensor: dict[str, Any] = {"name": name, "shape": [len(array)], "datatype": datatype}
        if datatype == "BYTES":
            tensor["data"] = array.tolist()
        else:
            data = array.astype(DATATYPES[datatype], copy=False).tobytes()
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail += data
        tensors.append(tensor)
    wanted = [{"name": column.name, "parameters": {"binary_data": column.datatype != "BYTES"}} for column in outputs]
    text = json.dumps({"inputs": tensors, "outputs": wanted}).encode()
    return text + tail, len(text)


def _outputs(given: bytes, head: int) -> dict[str, Array]:
    found, at = {}, head
    for tensor in cast("list[dict[str, Any]]", json.loads(given[:head])["outputs"]):
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[tensor["name"]] = np.array(tensor["data"], dtype=object)
            continue
        found[tensor["name"]] = np.frombuffer(given[at : at + size], DATATYPES[tensor["datatype"]])
        at += size
    return found
