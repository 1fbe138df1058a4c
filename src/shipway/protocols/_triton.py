"""What Triton's clients ask beside predicting: configuration, statistics, and the settings that a predictor does not have.

Imported when it is first asked. A predictor serves the one release that it was started with, keeps no settings and shares no
memory with its clients: each of these is refused in words, so that a client says why. Source: Triton's HTTP/REST extensions
of the Open Inference Protocol (model configuration, statistics, repository, trace, logging, shared memory).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipway.models import Column, Signature
from shipway.protocols._http import NotOffered, Reply, json_reply
from shipway.serve import Identity

_REGION = re.compile(r"/v2/(system|cuda)sharedmemory/region/([^/]+)/(status|register|unregister)")
_REGIONS = re.compile(r"/v2/(system|cuda)sharedmemory/(status|unregister)")
_SAMPLE = re.compile(r'^(shipway_predictor_\w+)(?:\{status="(\d+)"\})? ([-+.\de]+)$', re.MULTILINE)
_NANO = 1_000_000_000


def triton_methods(path: str, model: str, versioned: str) -> str:
    """The method that an address of these extensions answers, empty when it is none. model, versioned: where the model is."""
    if path in (f"{model}/config", f"{versioned}/config", f"{model}/stats", f"{versioned}/stats", "/v2/models/stats"):
        return "GET"
    if path in ("/v2/trace/setting", f"{model}/trace/setting", "/v2/logging"):
        return "GET, POST"
    if found := _REGION.fullmatch(path) or _REGIONS.fullmatch(path):
        return "GET" if found[found.lastindex or 0] == "status" else "POST"
    return "POST" if re.fullmatch(r"/v2/repository/models/[^/]+/(load|unload)", path) else ""


def triton_page(path: str, who: Identity, signature: Signature, metrics: Callable[[], str]) -> Reply:
    """The answer at one of these addresses. metrics: the page of all processes of this address. Raises NotOffered."""
    if path.endswith("/config"):
        return json_reply(model_config(who.model_name, signature))
    if path.endswith("/stats"):
        return json_reply({"model_stats": [model_statistics(who, metrics())]})
    if "sharedmemory" in path:
        return _memory(path)
    if path.startswith("/v2/repository"):
        what = f"a predictor serves the one release that it was started with, model {who.model_name!r} of {who.release}"
        raise NotOffered(what, mend="`shipway apply` makes another release live")
    kind = "log" if path == "/v2/logging" else "trace"
    raise NotOffered(f"a predictor has no {kind} settings", mend="settings are those of the deployment")


def model_config(name: str, signature: Signature) -> dict[str, object]:
    """Triton's configuration of a model; 0: the rows are a dimension of each tensor, as in the metadata.

    >>> model_config("m", Signature((Column("x", "FP32"),), ()))["input"]
    [{'name': 'x', 'data_type': 'TYPE_FP32', 'dims': [-1]}]
    """
    return {
        "name": name,
        "platform": "shipway",
        "backend": "shipway",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,
        "input": [_field(column) for column in signature.inputs],
        "output": [_field(column) for column in signature.outputs],
    }


def _field(column: Column) -> dict[str, object]:
    kind = "STRING" if column.datatype == "BYTES" else column.datatype
    return {"name": column.name, "data_type": f"TYPE_{kind}", "dims": [-1]}


def model_statistics(who: Identity, page: str) -> dict[str, object]:
    """Of all processes of this address since the deployment began, from their metrics. What is not measured is left out."""
    one: dict[str, float] = {}
    count = {True: 0, False: 0}
    for name, status, value in _SAMPLE.findall(page):
        if status:
            count[status < "300"] += int(float(value))
        else:
            one[name] = float(value)
    failed = one["shipway_predictor_failed_seconds_total"]
    seconds = one["shipway_predictor_request_seconds_sum"] - failed
    return {
        "name": who.model_name,
        "version": who.release,
        "inference_count": int(one["shipway_predictor_rows_total"]),
        "execution_count": int(one["shipway_predictor_calls_total"]),
        "inference_stats": {
            "success": {"count": count[True], "ns": round(seconds * _NANO)},
            "fail": {"count": count[False], "ns": round(failed * _NANO)},
        },
    }


def _memory(path: str) -> Reply:
    """None is shared, so a list of regions is empty and to leave all of them is done."""
    if found := _REGIONS.fullmatch(path):
        return json_reply([] if found[2] == "status" else {})
    what = f"a predictor shares no memory with its clients, so there is no region {path.split('/')[4][:100]!r}"
    raise NotOffered(what, mend="send tensors in the body; binary ones are not copied as text")
