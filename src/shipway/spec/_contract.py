"""A contract: what a data set promises. Its digest counts as a check definition, so its JSON has one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import parse_instant
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import parse_share
from shipway.spec._errors import SpecMalformed
from shipway.spec._fields import choice, count, fields, listed, named, number, text, texts
from shipway.spec._node import Node, node_of
from shipway.spec._suite import parse_suite_contract, read_suite
from shipway.spec._yaml import parse_yaml

COLUMN_TYPES = ("string", "integer", "number", "boolean", "date", "timestamp")
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "date": (str,),
    "timestamp": (str,),
}
Value = bool | int | float | str


class ColumnRule(msgspec.Struct, frozen=True, kw_only=True):
    """The column exists: its type, greatest share of nulls (0..1), inclusive range (numbers or ISO 8601), values."""

    name: str
    type: str | None = None
    nulls_at_most: float = 1.0
    between: tuple[Value, Value] | None = None
    one_of: tuple[Value, ...] = ()

    def to_json(self) -> JsonObject:
        rule: dict[str, Json] = {"nulls": _nulls_text(self.nulls_at_most)}
        if self.type:
            rule["type"] = self.type
        if self.between:
            rule["between"] = list(self.between)
        if self.one_of:
            rule["one_of"] = [value for _, value in sorted(map(_rank, self.one_of))]
        return rule


class ContractSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Row counts (inclusive), sets of columns that are unique together, and a rule per column; or a suite, and none of these.

    suite: the expectations (`type`, `kwargs`) of a suite of Great Expectations, in its order.
    """

    rows_at_least: int | None = None
    rows_at_most: int | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    columns: Mapping[str, ColumnRule] = {}
    suite: tuple[JsonObject, ...] = ()

    def to_json(self) -> JsonObject:
        """The canonical object: the long form of what a person writes; order does not count in it, but in a suite."""
        if self.suite:
            return {"kind": "contract", "version": 1, "suite": list(self.suite)}
        limits = {"at_least": self.rows_at_least, "at_most": self.rows_at_most}
        return {
            "kind": "contract",
            "version": 1,
            "rows": {name: limit for name, limit in limits.items() if limit is not None},
            "unique": cast("Json", sorted(sorted(columns) for columns in self.unique)),
            "columns": {name: rule.to_json() for name, rule in self.columns.items()},
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> ContractSpec:
        """Raises SpecMalformed."""
        if record.get("kind") != "contract" or record.get("version") != 1:
            raise SpecMalformed("this record is no contract of version 1")
        body = {name: value for name, value in record.items() if name not in ("kind", "version")}
        if set(body) == {"suite"}:
            return cls(suite=read_suite(body["suite"], path="contract"))
        return read_contract(node_of(body, "contract"))


def parse_contract(text: str, *, path: str) -> ContractSpec:
    """The contract of a file of its own: our YAML, or in a `.json` an expectation suite. Raises SpecMalformed."""
    suite = parse_suite_contract(text, path=path) if path.endswith(".json") else None
    if suite:
        return ContractSpec(suite=suite)
    return read_contract(parse_yaml(text, path=path))


def read_contract(node: Node) -> ContractSpec:
    entries = fields(node, ("rows", "unique", "columns"), "a contract")
    rows = entries.get("rows", Node({}, node.where))
    limits = {name: count(value, f"rows.{name}") for name, value in fields(rows, ("at_least", "at_most"), "rows").items()}
    low, high = limits.get("at_least"), limits.get("at_most")
    if low is not None and high is not None and low > high:
        raise rows.fail(f"rows are at least {low} and at most {high}", mend="turn them round")
    unique = _read_unique(entries["unique"]) if "unique" in entries else ()
    columns = named(entries.get("columns"), "columns", _read_column)
    return ContractSpec(rows_at_least=low, rows_at_most=high, unique=unique, columns=columns)


def _read_unique(node: Node) -> tuple[tuple[str, ...], ...]:
    if isinstance(node.value, list) and node.value and all(isinstance(item.value, list) for item in node.value):
        return tuple(texts(item, "unique") for item in node.value if listed(item, "unique"))
    columns = texts(node, "unique")
    return (columns,) if columns else ()


def _read_column(key: Node, node: Node) -> ColumnRule:
    name = text(Node(key.raw, key.where, raw=key.raw), "a column")
    entries = fields(node, ("type", "nulls", "between", "one_of"), f"column {name}")
    kind = choice(entries["type"], "a column's type", COLUMN_TYPES) if "type" in entries else None
    return ColumnRule(
        name=name,
        type=kind,
        nulls_at_most=_read_nulls(entries["nulls"]) if "nulls" in entries else 1.0,
        between=_read_between(entries["between"], kind) if "between" in entries else None,
        one_of=_read_one_of(entries["one_of"], kind) if "one_of" in entries else (),
    )


def _read_nulls(node: Node) -> float:
    share = {"none": 0.0, "any": 1.0}.get(node.raw)
    if share is not None:
        return share
    try:
        return parse_share(node.raw.removeprefix("at most ") if node.raw.startswith("at most ") else "")
    except ShipwayError as problem:
        raise node.fail(f"nulls are not {node.shown()}", mend="one of: none, any, at most 5%") from problem


def _nulls_text(share: float) -> str:
    """The words of a share of nulls, exact to 1e-12."""
    percent = f"{share * 100:.10f}".rstrip("0").rstrip(".")
    return {"0": "none", "100": "any"}.get(percent, f"at most {percent}%")


def _read_between(node: Node, kind: str | None) -> tuple[Value, Value]:
    ends = listed(node, "between")
    if len(ends) != 2 or kind in ("string", "boolean"):
        raise node.fail("between is the lowest and the highest number or date", mend="as in [0, 6000]")
    low, high = (_read_bound(end, kind) for end in ends)
    if isinstance(low, str) != isinstance(high, str):
        raise node.fail("between has a number and a date", mend="two numbers, or two dates")
    if _order(low) > _order(high):
        raise node.fail(f"between begins at {low}, above its end {high}", mend=f"turn them round: [{high}, {low}]")
    return low, high


def _read_bound(node: Node, kind: str | None) -> Value:
    if kind in ("date", "timestamp") or (kind is None and isinstance(node.value, str)):
        return _read_date(node)
    return number(node, "an end of between")


def _read_date(node: Node) -> str:
    try:
        parse_instant(text(node, "a date"))
    except ValueError as problem:
        raise node.fail(f"{node.shown()} is not a date", mend="as in 2013-01-31 or 2013-01-31T06:00") from problem
    return node.raw


def _order(bound: Value) -> float:
    return parse_instant(bound).timestamp() if isinstance(bound, str) else bound


def _read_one_of(node: Node, kind: str | None) -> tuple[Value, ...]:
    values: dict[tuple[str, Value], Value] = {}
    for item in listed(node, "one_of"):
        value = _read_value(item, kind)
        if _rank(value) in values:
            raise item.fail(f"{item.shown()} is listed twice in one_of", mend="keep one")
        values[_rank(value)] = value
    return tuple(values.values())


def _read_value(node: Node, kind: str | None) -> Value:
    value = node.value
    if kind in ("date", "timestamp"):
        return _read_date(node)
    if value is None or isinstance(value, list | dict):
        raise node.fail(f"a value of one_of is not {node.shown()}")
    if kind and (not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind != "boolean")):
        mend = f'put it in quotes: "{node.raw}"' if kind == "string" else f"a value of type {kind}"
        raise node.fail(f"{node.shown()} is not of the column's type, {kind}", mend=mend)
    return number(node, "a value of one_of") if not isinstance(value, bool | str) else value


def _rank(value: Value) -> tuple[str, Value]:
    """Orders values of several types, and tells True from 1 but not 1 from 1.0, as canonical JSON does."""
    return ("number" if type(value) is float else type(value).__name__.replace("int", "number")), value
