"""What Triton's clients ask beside predicting: configuration, statistics, and the settings that a predictor does not have.

Imported when it is first asked. A predictor serves the one release that it was started with, keeps no settings and shares no
memory with its clients: each of these is refused in words, so that a client says why. Source: Triton's HTTP/REST extensions
of the Open Inference Protocol (model configuration, statistics, repository, trace, logging, shared memory).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from shipway.models import Column, Signature
from shipway.protocols._http import NotOffered, Reply, json_reply
from shipway.serve import Identity

_REGION = re.compile(r"/v2/(system|cuda)sharedmemory/region/([^/]+)/(status|register|unregister)")
_REGIONS = re.compile(r"/v2/(system|cuda)sharedmemory/(status|unregister)")
_SAMPLE = re.compile(r'^(shipway_predictor_\w+)(?:\{status="(\d+)"\})? ([-+.\de]+)$', re.MULTILINE)
_NANO = 1_000_000_000


def triton_methods(path: str, models: Collection[str]) -> str:
    """The method that an address of these extensions answers, empty when it is none. models: where the model is."""
    base, _, what = path.rpartition("/")
    if path == "/v2/models/stats" or (base in models and what in ("config", "stats")):
        return "GET"
    if path in ("/v2/trace/setting", "/v2/logging") or (what == "setting" and base.removesuffix("/trace") in models):
        return "GET, POST"
    if found := _REGION.fullmatch(path) or _REGIONS.fullmatch(path):
        return "GET" if found[found.lastindex or 0] == "status" else "POST"
    return "POST" if re.fullmatch(r"/v2/repository/models/[^/]+/(load|unload)", path) else ""


def refuse_setting(path: str, who: Identity) -> Reply:
    """The answer at one of the addresses that would change a running server; raises NotOffered."""
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
    """Of all processes of this address since the deployment began, from their metrics.

    Of an answered request: compute_input is reading it, queue its wait for the model, compute_infer the call that it was part
    of, compute_output writing the answer. Nothing is cached.
    """
    found = {(name, label): float(value) for name, label, value in _SAMPLE.findall(page)}
    one = {name: value for (name, label), value in found.items() if not label}
    requests = {status: int(n) for (name, status), n in found.items() if name == "shipway_predictor_requests_total"}
    answered = sum(n for status, n in requests.items() if status < "300")
    failed = one["shipway_predictor_failed_seconds_total"]

    def spent(name: str) -> dict[str, int]:
        return {"count": answered, "ns": round(one[f"shipway_predictor_{name}_seconds_total"] * _NANO)}

    seconds = one["shipway_predictor_request_seconds_sum"] - failed
    return {
        "name": who.model_name,
        "version": who.release,
        "last_inference": round(1000 * one.get("shipway_predictor_last_call_timestamp_seconds", 0)),
        "inference_count": int(one["shipway_predictor_rows_total"]),
        "execution_count": int(one["shipway_predictor_calls_total"]),
        "inference_stats": {
            "success": {"count": answered, "ns": round(seconds * _NANO)},
            "fail": {"count": sum(requests.values()) - answered, "ns": round(failed * _NANO)},
            "queue": spent("queue"),
            "compute_input": spent("decode"),
            "compute_infer": spent("model"),
            "compute_output": spent("encode"),
            "cache_hit": {"count": 0, "ns": 0},
            "cache_miss": {"count": 0, "ns": 0},
        },
    }


def _memory(path: str) -> Reply:
    """None is shared, so a list of regions is empty and to leave all of them is done."""
    if found := _REGIONS.fullmatch(path):
        return json_reply([] if found[2] == "status" else {})
    what = f"a predictor shares no memory with its clients, so there is no region {path.split('/')[4][:100]!r}"
    raise NotOffered(what, mend="send tensors in the body; binary ones are not copied as text")
