"""What a component is, in a few words: how many files, which packages, what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shipway.environment import parse_lock
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor
from shipway.kernel.errors import ShipwayError
from shipway.release._described import counted, listed, object_of, printable, value_text
from shipway.release._manifest import Component, object_kind
from shipway.store import Store

_UNREADABLE = (ShipwayError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)


def component_words(store: Store, component: Component) -> str:
    """One line without control characters; never raises for what an object holds: what cannot be read says so."""
    told = _TOLD.get(component.kind)
    try:
        record = store.get(component.digest, object_kind(component.kind))
        return printable(told(store, record) if told else "")
    except _UNREADABLE as problem:
        return printable(f"not readable: {problem.what if isinstance(problem, ShipwayError) else problem}"[:200])


def _data(_: Store, record: JsonObject) -> str:
    return f"{counted(_count(record['files']), 'file')}, {_size(_count(record['bytes']))}"


def _environment(store: Store, record: JsonObject) -> str:
    pins = parse_lock(store.objects.get(Descriptor.from_json(record["lock"]).digest))
    return f"Python {record['python']}, {counted(len(pins), 'package')}"


def _code(store: Store, record: JsonObject) -> str:
    files = sum(1 for _ in store.tree(Descriptor.from_json(record["root"]).digest))
    return f"{counted(files, 'file')}, starts in {record['entry']}"


def _pipeline(_: Store, record: JsonObject) -> str:
    steps, parameters = record["steps"], object_of(record["parameters"])
    if not isinstance(steps, list):
        raise TypeError("steps is no list")
    told = [f"{name} {value_text(value)}" for name, value in sorted(parameters.items())]
    return "; ".join([counted(len(steps), "step"), *([listed(told, 3)] if told else [])])


def _model(_: Store, record: JsonObject) -> str:
    inputs = object_of(record["signature"])["inputs"]
    columns = counted(len(inputs), "input") if isinstance(inputs, list) else "inputs unknown"
    target = f", answers {record['target']}" if record.get("target") else ""
    return f"{record['format']}, {columns}{target}"


def _profile(_: Store, record: JsonObject) -> str:
    return f"{counted(_count(record['rows']), 'row')}, {counted(len(object_of(record['columns'])), 'column')}"


def _prompt(_: Store, record: JsonObject) -> str:
    messages, variables = record["messages"], object_of(record["variables"])
    if not isinstance(messages, list):
        raise TypeError("messages is no list")
    said = [counted(len(messages), "message"), f"asks provider {record['provider']}"]
    retrieve = record["retrieve"]
    if isinstance(retrieve, Mapping):
        said.append(f"{retrieve['passages']} passages of {retrieve['index']}")
    return ", ".join([*said, *([f"variables {listed(sorted(variables), 4)}"] if variables else [])])


def _index(_: Store, record: JsonObject) -> str:
    return f"{counted(_count(record['documents']), 'document')}, {counted(_count(record['chunks']), 'chunk')}"


def _provider(_: Store, record: JsonObject) -> str:
    parameters = object_of(record["parameters"])
    told = [f"{name} {value_text(value)}" for name, value in sorted(parameters.items())]
    return ", ".join([f"model {record['model']}", *([listed(told, 3)] if told else [])])


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a number was expected, not {type(value).__name__}")
    return value


def _size(size: int) -> str:
    """
    >>> _size(512), _size(38_400_000)
    ('512 B', '38.4 MB')
    """
    for unit, of in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if size >= of:
            return f"{size / of:.1f} {unit}"
    return f"{size} B"


_TOLD: Mapping[str, Callable[[Store, JsonObject], str]] = {
    "data": _data,
    "environment": _environment,
    "code": _code,
    "pipeline": _pipeline,
    "model": _model,
    "profile": _profile,
    "prompt": _prompt,
    "index": _index,
    "provider": _provider,
}
