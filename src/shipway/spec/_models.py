"""The `models:`, `outcomes:` and `parameters:` sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from shipway.kernel.canonical import Json
from shipway.kernel.units import Seconds
from shipway.spec._data import QuerySpec, read_query
from shipway.spec._fields import duration, fields, flag, listed, number, text, texts
from shipway.spec._names import inside_path, name_of, step_name
from shipway.spec._node import Node
from shipway.spec._origins import OriginSpec, read_origin

REBUILD = (
    "predictions",
    "auc",
    "brier",
    "log_loss",
    "calibration_error",
    "accuracy",
    "mae",
    "rmse",
)  # the golden rows' answers, and the metrics


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model: the step that returns it, the step whose table is held out, and the columns that are not features.

    key: logged with each prediction, not fed; time: the event time, logged, not fed; target: what is predicted; rebuild: how
    far a rebuilt model may be off and still count as equal, by what is compared (REBUILD), absolute. base, adapters: of a
    fine-tuned one, where it comes from; card: the owner's words about its use, a file. before, after: functions around it,
    `MODULE.FUNCTION` of the project's code; own: `MODULE.CLASS` of it that is the model. allow_pickle: loading it may run what
    whoever made it put in. onnx: it is served converted to ONNX while its answers differ by no more than this. texts: features
    that are texts, whatever they look like.
    """

    name: str
    step: str
    target: str
    reference: str = "reference"
    key: tuple[str, ...] = ()
    time: str | None = None
    rebuild: Mapping[str, float] = {}
    base: OriginSpec | None = None
    adapters: tuple[OriginSpec, ...] = ()
    card: str | None = None
    before: str | None = None
    after: str | None = None
    own: str | None = None
    allow_pickle: bool = False
    onnx: float | None = None
    texts: tuple[str, ...] = ()


EVERY = Seconds(300.0)  # between two looks at a database


class OutcomeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What came true later, named as its target column, and the age at which labels count as complete.

    query: rows of a database that tell, asked for every so many seconds; unit: what the values are counted in; better: `higher`
    or `lower`, of a business metric that is watched for itself. by: the logged column with the entity that outcomes without a
    prediction's id are of; they are of the `last` prediction of it at most `within` seconds before, or of `all` of them.
    """

    name: str
    matures: Seconds = Seconds(0.0)
    query: QuerySpec | None = None
    every: Seconds = EVERY
    unit: str | None = None
    better: Literal["higher", "lower"] | None = None
    by: str | None = None
    within: Seconds = Seconds(0.0)
    match: Literal["last", "all"] = "last"


def read_model(key: Node, node: Node) -> ModelSpec:
    name = name_of(key, "a model")
    what = f"model {name}"
    entries = fields(
        node,
        (
            *("step", "reference", "target", "key", "time", "rebuild", "base", "adapters", "card", "before", "after", "class"),
            *("allow_pickle", "onnx", "texts"),
        ),
        what,
    )
    if "step" not in entries and not name.isidentifier():
        raise key.fail(f"{what} needs a step: Python has no name like that", mend="step: the function that returns it")
    if "target" not in entries:
        raise key.fail(f"{what} has no target", mend="target: the column that it predicts")
    model = ModelSpec(
        name=name,
        step=step_name(entries.get("step", key), f"the step of {what}"),
        target=text(entries["target"], f"the target of {what}"),
        reference=_read_reference(entries.get("reference"), what),
        key=texts(entries["key"], f"the key of {what}") if "key" in entries else (),
        time=text(entries["time"], f"the time of {what}") if "time" in entries else None,
        rebuild=_read_rebuild(entries["rebuild"], what) if "rebuild" in entries else {},
        base=read_origin(entries["base"], f"the base of {what}") if "base" in entries else None,
        adapters=_read_adapters(entries.get("adapters"), what),
        card=inside_path(entries["card"], f"the card of {what}") if "card" in entries else None,
        before=_read_function(entries["before"], f"before of {what}") if "before" in entries else None,
        after=_read_function(entries["after"], f"after of {what}") if "after" in entries else None,
        own=_read_function(entries["class"], f"the class of {what}") if "class" in entries else None,
        allow_pickle=flag(entries["allow_pickle"], f"allow_pickle of {what}") if "allow_pickle" in entries else False,
        onnx=_read_tolerance(entries["onnx"], f"onnx of {what}") if "onnx" in entries else None,
        texts=texts(entries["texts"], f"the texts of {what}") if "texts" in entries else (),
    )
    for origin in (model.base, *model.adapters):
        if origin and origin.ref == f"model/{name}":
            raise key.fail(f"{what} would come from itself", mend="name the model that it was fine-tuned from")
    if model.target in (*model.key, model.time):
        raise entries["target"].fail(f"the target of {what} is its key or time too", mend="name another column")
    if aside := [name for name in model.texts if name in (model.target, *model.key, model.time)]:
        raise entries["texts"].fail(f"{aside[0]} is no feature of {what}, and only features are profiled", mend="leave it out")
    return model


def _read_reference(node: Node | None, what: str) -> str:
    return step_name(node, f"the reference of {what}") if node else "reference"


def _read_function(node: Node, what: str) -> str:
    name = text(node, what)
    parts = name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise node.fail(f"{what} is {node.shown()}", mend="MODULE.FUNCTION of the project's code, as in features.fill")
    return name


def _read_rebuild(node: Node, what: str) -> dict[str, float]:
    entries = fields(node, REBUILD, f"the rebuild of {what}")
    return {name: _read_tolerance(entry, f"{name} of {what}") for name, entry in entries.items()}


def _read_tolerance(node: Node, what: str) -> float:
    value = float(number(node, f"the tolerance of {what}"))
    if value < 0:
        raise node.fail(f"the tolerance of {what} is 0 or more, not {node.shown()}", mend="as in 0.005")
    return value


def _read_adapters(node: Node | None, what: str) -> tuple[OriginSpec, ...]:
    items = listed(node, f"the adapters of {what}") if node else []
    return tuple(read_origin(item, f"an adapter of {what}") for item in items)


def read_outcome(key: Node, node: Node) -> OutcomeSpec:
    name = text(Node(key.raw, key.where, raw=key.raw), "an outcome")  # a column's name, so of any form
    entries = fields(
        node,
        ("matures", "sql", "from", "key", "watermark", "every", "unit", "better", "by", "within", "match"),
        f"outcome {name}",
    )
    by, within, match = _read_entity(entries, name)
    matures = duration(entries["matures"], "matures") if "matures" in entries else within
    query = read_query(name, entries, what=f"outcome {name}")
    if query is None and "every" in entries:
        raise entries["every"].fail(f"`every` is of a query, and outcome {name} has none", mend="sql: QUERY.sql")
    every = duration(entries["every"], "every") if "every" in entries else EVERY
    if every < 1:
        raise entries["every"].fail(f"outcome {name} is asked for more than once a second", mend="every: 5m")
    unit = text(entries["unit"], f"the unit of {name}") if "unit" in entries else None
    better = _read_better(entries["better"], name) if "better" in entries else None
    return OutcomeSpec(
        name=name,
        matures=matures,
        query=query,
        every=every,
        unit=unit,
        better=better,
        by=by,
        within=within,
        match=match,
    )


def _read_entity(entries: Mapping[str, Node], name: str) -> tuple[str | None, Seconds, Literal["last", "all"]]:
    """The entity's column, how long before an outcome its predictions are, and which of them."""
    if "by" not in entries:
        for word in ("within", "match"):
            if word in entries:
                raise entries[word].fail(f"`{word}` of outcome {name} is of an entity", mend="by: COLUMN of the entity")
        return None, Seconds(0.0), "last"
    if "within" not in entries:
        raise entries["by"].fail(f"outcome {name} does not say how long after a prediction it is of it", mend="within: 7d")
    within = duration(entries["within"], f"within of outcome {name}")
    if not within:
        raise entries["within"].fail("a window of no time", mend="as in 7d")
    column, match = text(entries["by"], f"by of outcome {name}"), entries.get("match")
    if match is None or match.raw == "last":
        return column, within, "last"
    if match.raw == "all":
        return column, within, "all"
    raise match.fail(f"match of outcome {name} is last or all, not {match.shown()}", mend="match: last")


def _read_better(node: Node, name: str) -> Literal["higher", "lower"]:
    if node.raw == "higher":
        return "higher"
    if node.raw == "lower":
        return "lower"
    raise node.fail(f"better of outcome {name} is higher or lower, not {node.shown()}", mend="better: higher")


def read_parameter(key: Node, node: Node) -> Json:
    step_name(key, "a parameter")
    return node.plain()
