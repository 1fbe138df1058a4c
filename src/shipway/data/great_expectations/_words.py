"""What a validation result says to a person, in a line."""

from __future__ import annotations

from typing import cast

from shipway.kernel.canonical import JsonObject

_SHOWN = 3


def about(kwargs: JsonObject) -> str:
    """The column or columns of an expectation, `table` when it is about none."""
    columns = kwargs.get("column_list")
    if isinstance(columns, list):
        return "+".join(map(str, columns))
    if "column_A" in kwargs:
        return f"{kwargs['column_A']}+{kwargs.get('column_B')}"
    return str(kwargs.get("column") or "table")


def finding(one: JsonObject) -> str:
    """What a validation result found, in a line: rows and the first three values, or what was observed."""
    result, info = cast("JsonObject", one["result"]), cast("JsonObject", one["exception_info"])
    if info.get("exception_message"):
        return str(info["exception_message"])
    if "element_count" in result:
        listed = cast("list[object]", result.get("partial_unexpected_list") or [])
        shown = ", ".join(str(value)[:40] for value in listed[:_SHOWN])
        return f"{result['unexpected_count']} of {result['element_count']} rows" + (f": {shown}" if shown else "")
    return f"observed {result['observed_value']}" if result.get("observed_value") is not None else "not met"
