"""What a predictor answers, as OpenAPI 3.1: typed from the signature of its model, with golden rows as examples.

Source: OpenAPI Specification 3.1.0; its schemas are JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.models import Column, Signature
from shipway.serve import Arrays, Identity

Schema = dict[str, Any]

EXAMPLE_ROWS = 2
_WHOLE = {f"{sign}INT{bits}": (sign, bits) for sign in ("", "U") for bits in (8, 16, 32, 64)}
_ASIDE: Schema = {"type": ["string", "number", "boolean", "null"]}
_REFUSED = {
    "400": "The body, or a column of it, does not fit; the error names it, what is expected and what was given.",
    "403": "A page in a browser asks, and only programs are answered.",
    "413": "The body is too large.",
    "415": "A media type or packing that is not read.",
    "500": "The model failed on these rows.",
    "503": "Too many rows wait already, or the model is being loaded; Retry-After says for how long.",
}


def describe_api(
    who: Identity,
    signature: Signature,
    *,
    golden: tuple[Arrays, Arrays],
    aside: Sequence[str],
    server_version: str,
    base: str = "",
) -> Schema:
    """The OpenAPI document. aside: columns that a request may have for the log alone; base: what the addresses begin with."""
    model, version = who.model_name, who.release
    rows, answers = ({name: array[:EXAMPLE_ROWS].tolist() for name, array in part.items()} for part in golden)
    infer = _evented(_infer(signature, rows, answers, model, version, aside))
    paths: Schema = {
        f"/v1/models/{model}:predict": {"post": _evented(_predict(signature, rows, answers, aside))},
        "/invocations": {"post": _invocations(signature, rows, answers, aside)},
        "/v1/models": {"get": _page("v1_models", "The name of the model", {"models": _list({"const": model})})},
        f"/v1/models/{model}": {"get": _page("v1_model", "Whether the model is ready", _READY)},
        "/v2": {"get": _page("v2", "The server", {"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)})},
        "/v2/models": {"get": _page("v2_models", "The name of the model", {"models": _list({"const": model})})},
        **_extensions(model, version),
        "/": {"get": _page("root", "Whether the server lives, as KServe's V1 has it", {"status": {"const": "alive"}})},
        "/version": {"get": {"operationId": "version", "summary": "The version of Shipway", "responses": _text()}},
        "/v2/health/live": {"get": _page("v2_live", "Whether the server lives", {"live": _FLAG})},
        "/v2/health/ready": {"get": _page("v2_ready", "Whether it answers", {"live": _FLAG, "ready": _FLAG})},
        "/v2/repository/index": {"post": {**_page("v2_index", "The models", None), "responses": _index()}},
        "/healthz": {"get": _page("healthz", "Whether the server lives", {"live": _FLAG})},
        "/readyz": {"get": _page("readyz", "Whether it answers", {"live": _FLAG, "ready": _FLAG})},
        "/ping": {"get": _ping("ping")},
        "/health": {"get": _ping("health")},
        "/metrics": {"get": {"operationId": "metrics", "summary": "Metrics", "responses": _text()}},
    }
    for name, place in (("model", f"/v2/models/{model}"), ("version", f"/v2/models/{model}/versions/{version}")):
        paths[place] = {"get": _page(f"v2_{name}", "The model and its signature", _METADATA)}
        paths[f"{place}/ready"] = {"get": _page(f"v2_{name}_ready", "Whether the model is ready", _READY)}
        paths[f"{place}/infer"] = {"post": {"operationId": f"v2_{name}_infer", **infer}}
    title = f"{who.application}: model {model} of release {version}"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "x-shipway": server_version},
        "servers": [{"url": base or "/"}],
        "paths": paths,
        "components": {"schemas": {"Error": _object({"error": _TEXT})}},
    }


def value_schema(datatype: str) -> Schema:
    """One value of an Open Inference datatype as JSON has it; null is NaN, or no text.

    >>> value_schema("INT8")
    {'type': 'integer', 'minimum': -128, 'maximum': 127}
    """
    if datatype in _WHOLE:
        sign, bits = _WHOLE[datatype]
        low, high = (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": high}
    if datatype == "BOOL":
        return {"type": "boolean"}
    return {"type": ["string" if datatype == "BYTES" else "number", "null"]}


def _extensions(model: str, version: str) -> Schema:
    """Triton's extensions: configuration and statistics of the model, and what a predictor refuses."""
    paths: Schema = {"/v2/models/stats": {"get": _page("v2_stats", "Statistics", {"model_stats": _list(_STATISTICS)})}}
    for name, place in (("model", f"/v2/models/{model}"), ("version", f"/v2/models/{model}/versions/{version}")):
        paths[f"{place}/config"] = {"get": _page(f"v2_{name}_config", "Triton's configuration of the model", _CONFIG)}
        statistics = _page(f"v2_{name}_stats", "Statistics of the model", {"model_stats": _list(_STATISTICS)})
        paths[f"{place}/stats"] = {"get": statistics}
    for kind in ("system", "cuda"):
        base, named = f"/v2/{kind}sharedmemory", f"v2_{kind}_memory"
        regions = _json("None", _list({}, maxItems=0))
        paths[f"{base}/status"] = {
            "get": {**_page(f"{named}_status", "Regions of memory", None), "responses": {"200": regions}}
        }
        paths[f"{base}/unregister"] = {"post": _page(f"{named}_leave", "Leave all regions", {})}
        paths[f"{base}/region/{{region}}/status"] = {"get": _refused(f"{named}_region", "region")}
        for verb in ("register", "unregister"):
            paths[f"{base}/region/{{region}}/{verb}"] = {"post": _refused(f"{named}_{verb}", "region")}
    for verb in ("load", "unload"):
        paths[f"/v2/repository/models/{{name}}/{verb}"] = {"post": _refused(f"v2_repository_{verb}", "name")}
    for place, named in (
        ("/v2/logging", "v2_log"),
        ("/v2/trace/setting", "v2_trace"),
        (f"/v2/models/{model}/trace/setting", "v2_model_trace"),
    ):
        paths[place] = {"get": _refused(f"{named}_settings"), "post": _refused(f"{named}_change")}
    return paths


def _refused(operation: str, parameter: str | None = None) -> Schema:
    """What a predictor does not have: a 400 that says why."""
    error = {"400": _json("A predictor has no such thing; the error says what to do.", {"$ref": "#/components/schemas/Error"})}
    found: Schema = {"operationId": operation, "summary": "Refused, with the reason", "responses": error}
    if parameter:
        schema = {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"}
        found["parameters"] = [{"name": parameter, "in": "path", "required": True, "schema": schema}]
    return found


def _list(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, **more}


def _object(properties: Mapping[str, Schema], *, optional: Sequence[str] = (), **more: object) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_READY: dict[str, Schema] = {"name": _TEXT, "ready": _FLAG}
_COLUMN = _object({"name": _TEXT, "datatype": _TEXT, "shape": _list({"type": "integer"})})
_ARROW = "application/vnd.apache.arrow.stream"
_EVENTS = "application/cloudevents+json"
_FIELD = _object({"name": _TEXT, "data_type": _TEXT, "dims": _list({"type": "integer"})})
_CONFIG: dict[str, Schema] = {
    "name": _TEXT,
    "platform": _TEXT,
    "backend": _TEXT,
    "version_policy": _object({}),
    "max_batch_size": {"const": 0},
    "input": _list(_FIELD),
    "output": _list(_FIELD),
}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SPENT = _object({"count": _COUNT, "ns": _COUNT})
_STATISTICS = _object({
    "name": _TEXT, "version": _TEXT, "inference_count": _COUNT, "execution_count": _COUNT,
    "inference_stats": _object({"success": _SPENT, "fail": _SPENT}),
})  # fmt: skip
_METADATA: dict[str, Schema] = {
    "name": _TEXT,
    "versions": _list(_TEXT),
    "platform": _TEXT,
    "inputs": _list(_COLUMN),
    "outputs": _list(_COLUMN),
}


def _predict(signature: Signature, rows: Schema, answers: Schema, aside: Sequence[str]) -> Schema:
    """V1: rows in, a value or an object a row out."""
    typed = {column.name: value_schema(column.datatype) for column in signature.inputs}
    extra = {name: _ASIDE for name in aside if name not in typed}
    named = _object({**typed, **extra}, optional=list(extra), additionalProperties=False)
    listed = {"type": "array", "prefixItems": list(typed.values()), "minItems": len(typed), "maxItems": len(typed)}
    instances = {"anyOf": [_list(named, minItems=1), _list(listed, minItems=1)]}
    given = {column.name: value_schema(column.datatype) for column in signature.outputs}
    prediction = next(iter(given.values())) if len(given) == 1 else _object(given)
    return {
        "operationId": "v1_predict",
        "summary": "Predict, by rows",
        "requestBody": _body(_object({"instances": instances}), {"instances": _by_row(rows)}),
        "responses": {
            "200": _json("The predictions, row by row", _object({"predictions": _list(prediction)}),
                         {"predictions": _single(answers) if len(given) == 1 else _by_row(answers)}),
            **_refusals(),
        },
    }  # fmt: skip


def _invocations(signature: Signature, rows: Schema, answers: Schema, aside: Sequence[str]) -> Schema:
    """MLflow's forms: a table by rows or split, rows, or columns."""
    predict = _predict(signature, rows, answers, aside)
    instances = predict["requestBody"]["content"]["application/json"]["schema"]["properties"]["instances"]
    typed = {column.name: value_schema(column.datatype) for column in signature.inputs}
    columns = _object({name: _list(value) for name, value in typed.items()})
    forms = {
        "dataframe_split": _object({"columns": _list(_TEXT), "data": _list(_list({}))}),
        "dataframe_records": _list(_object(typed), minItems=1),
        "instances": instances,
        "inputs": {"anyOf": [columns, *instances["anyOf"]]},
    }
    example = {"dataframe_split": {"columns": list(rows), "data": [list(row.values()) for row in _by_row(rows)]}}
    body = _body({"oneOf": [_object({name: form}) for name, form in forms.items()]}, example)
    body["content"]["text/csv"] = {"schema": _TEXT}
    body["content"] |= {media: {"schema": {}} for media in (_ARROW, "application/vnd.apache.parquet")}
    error = _object({"error_code": _TEXT, "message": _TEXT})
    done = predict["responses"]["200"]
    done["content"][_ARROW] = {"schema": {}}  # for who accepts it in answer to a table
    responses = {**predict["responses"], **{status: _json(text, error) for status, text in _REFUSED.items()}}
    return {"operationId": "invocations", "summary": "Predict, as MLflow", "requestBody": body, "responses": responses}


def _ping(operation: str) -> Schema:
    answer = {"description": "A line feed", "content": {"application/json": {}}}
    return {"operationId": operation, "summary": "Whether it answers", "responses": {"200": answer}}


def _infer(signature: Signature, rows: Schema, answers: Schema, model: str, version: str, aside: Sequence[str]) -> Schema:
    """Open Inference v2: tensors in, tensors out."""
    count = len(_single(answers))
    known = [column.name for column in signature.inputs]
    tensors = [_tensor(column) for column in signature.inputs]
    tensors += [
        _object({"name": {"const": name}, "shape": _SHAPE, "datatype": _TEXT, "data": _list(_ASIDE)})
        for name in aside
        if name not in known
    ]
    if not any(column.datatype == "BYTES" for column in signature.inputs) and "input" not in known:
        tensors.append(_tensor(Column("input", "FP64"), matrix=True))
    wanted = _object({"name": {"enum": [column.name for column in signature.outputs]}})
    request = _object(
        {"id": {"type": "string", "maxLength": 256}, "inputs": _list({"anyOf": tensors}), "outputs": _list(wanted)},
        optional=["id", "outputs"],
    )
    response = _object({
        "model_name": {"const": model}, "model_version": {"const": version}, "id": _TEXT,
        "parameters": _object({"release": {"const": version}}),
        "outputs": _list({"anyOf": [_tensor(column) for column in signature.outputs]}),
    })  # fmt: skip
    example = {
        "model_name": model, "model_version": version, "id": "2013-02-01-0", "parameters": {"release": version},
        "outputs": [_example(column, answers, count) for column in signature.outputs],
    }  # fmt: skip
    asked = {"id": "2013-02-01-0", "inputs": [_example(column, rows, count) for column in signature.inputs]}
    body = _body(request, asked)
    body["content"]["application/octet-stream"] = {"schema": {}}  # JSON, then tensors: the binary extension
    return {
        "summary": "Predict, by columns",
        "parameters": [
            {
                "name": "Inference-Header-Content-Length",
                "in": "header",
                "description": "Where tensors follow the JSON of the body as bytes: how many bytes of JSON there are.",
                "schema": {"type": "integer", "minimum": 2},
            }
        ],
        "requestBody": body,
        "responses": {"200": _json("The outputs", response, example), **_refusals()},
    }


_SHAPE = _list({"type": "integer", "minimum": 0}, minItems=1, maxItems=2)


def _tensor(column: Column, *, matrix: bool = False) -> Schema:
    value = value_schema(column.datatype)
    data = {"anyOf": [_list(value), _list(_list(value))]} if matrix else _list(value)
    shape = _list({"type": "integer", "minimum": 0}, minItems=2, maxItems=2) if matrix else _SHAPE
    return _object({"name": {"const": column.name}, "shape": shape, "datatype": {"const": column.datatype}, "data": data})


def _example(column: Column, values: Mapping[str, list[Any]], count: int) -> Schema:
    return {"name": column.name, "shape": [count], "datatype": column.datatype, "data": values.get(column.name, [])}


def _single(columns: Mapping[str, list[Any]]) -> list[Any]:
    return next(iter(columns.values()), [])


def _by_row(columns: Mapping[str, list[Any]]) -> list[Schema]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _body(schema: Schema, example: object) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _json(description: str, schema: Schema, example: object = None) -> Schema:
    content: Schema = {"schema": schema, **({"example": example} if example is not None else {})}
    return {"description": description, "content": {"application/json": content}}


def _evented(operation: Schema) -> Schema:
    """The operation, also with CloudEvents in structured mode around its bodies."""
    name: Schema = {"type": "string", "minLength": 1, "maxLength": 256}
    version: Schema = {"enum": ["1.0", "0.3"]}
    for part in (operation["requestBody"], operation["responses"]["200"]):
        data = part["content"]["application/json"]["schema"]
        event = _object({"specversion": version, "id": name, "source": name, "type": name, "data": data})
        part["content"][_EVENTS] = {"schema": event}
    return operation


def _page(operation: str, summary: str, properties: Mapping[str, Schema] | None) -> Schema:
    return {"operationId": operation, "summary": summary, "responses": {"200": _json(summary, _object(properties or {}))}}


def _index() -> Schema:
    entry = _object({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT})
    return {"200": _json("The models", _list(entry))}


def _text() -> Schema:
    return {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": _TEXT}}}}


def _refusals() -> Schema:
    error = {"$ref": "#/components/schemas/Error"}
    return {status: _json(text, error) for status, text in _REFUSED.items()}
