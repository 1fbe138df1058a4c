"""The real Great Expectations for the tests: `PYTHON gx_server.py SOURCES < requests > results`, with `_in_gx.py` of SOURCES.

A request with "sql" is judged in SQLite, where Great Expectations asks what it asks of databases only. What it works out again
and again from names alone is kept, since each expectation costs it some milliseconds.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from itertools import count
from typing import Any

sys.path.insert(0, sys.argv[1])
_in_gx: Any = import_module("_in_gx")
_on_pandas = _in_gx.run
_tables = count()


def run(gx: Any, context: Any, request: dict[str, Any]) -> Any:
    if "parameter" in request:
        return import_module("great_expectations.core.suite_parameters").parse_suite_parameter(
            request["parameter"], request["given"]
        )
    if request.get("arguments"):
        return {kind: list(one.__fields__) for kind, one in known_expectations().items()}
    if not request.get("sql"):
        return _on_pandas(gx, context, request)
    pandas, sqlalchemy = import_module("pandas"), import_module("sqlalchemy")
    path, name = request["table"] + ".sqlite", f"t{next(_tables)}"
    address = f"sqlite:///{path}"
    for table, file in {name: request["table"], **request.get("others", {})}.items():
        engine = sqlalchemy.create_engine(address)
        pandas.read_parquet(file).to_sql(table, engine, index=False, if_exists="replace")
        engine.dispose()
    source = context.data_sources.add_or_update_sqlite(name, connection_string=address)
    batch = source.add_table_asset(name, table_name=name).add_batch_definition_whole_table(name).get_batch()
    suite = gx.ExpectationSuite(name="suite", expectations=request["suite"]["expectations"])
    return batch.validate(suite, result_format=request["result_format"]).to_json_dict()


def known_expectations() -> dict[str, Any]:
    core, base = (
        import_module("great_expectations.expectations.core"),
        import_module("great_expectations.expectations.expectation"),
    )
    found = [one for one in vars(core).values() if isinstance(one, type) and issubclass(one, base.Expectation)]
    return {one.expectation_type: one for one in found}  # type: ignore[attr-defined]


def keep_names() -> None:
    """Names in snake case are cut with several regular expressions, thousands of times for one suite."""
    modules: list[Any] = [import_module(f"great_expectations.{name}") for name in ("util", "expectations.expectation")]
    kept = lru_cache(maxsize=None)(modules[0].camel_to_snake)
    for module in modules:
        module.camel_to_snake = kept


if __name__ == "__main__":
    keep_names()
    _in_gx.run = run
    _in_gx.main()
