"""The `data:` and `environment:` sections: where the rows lie, what they promise, what the steps run in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from shipway.spec._contract import ContractSpec, read_contract
from shipway.spec._errors import SpecMissing
from shipway.spec._fields import fields, text, texts
from shipway.spec._names import inside_path, name_of, secret_ref
from shipway.spec._node import Node

LoadContract = Callable[[str], ContractSpec]
"""The contract in a file named relative to the spec; raises SpecMissing or SpecMalformed."""

_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|[?&]password=", re.I)
PLACES = ("s3://", "delta:", "iceberg:", "lakefs://")
_VERSIONS = {"delta:": re.compile(r"[0-9]{1,18}"), "iceberg:": re.compile(r"[0-9A-Za-z][\w.-]{0,200}")}
_PLACE_WORDS = (
    "s3://BUCKET/PREFIX",
    "delta:FOLDER_OR_ADDRESS",
    "iceberg://CATALOG/NAMESPACE.TABLE",
    "lakefs://REPOSITORY/REF/PATH",
)
_PLACE = re.compile(
    r"(delta:|iceberg:)?s3://[^/?#@\s]+(/[^?#]*)?"
    r"|(delta|iceberg):(?![a-z0-9]+:|//)[^?#]+"
    r"|iceberg://[A-Za-z0-9][\w-]*/[^/?#@\s]+\.[^/?#@\s]+"
    r"|lakefs://[a-z0-9][a-z0-9-]{2,62}/[^/?#@\s]+(/[^?#]*)?"
)
_CREDENTIALS = re.compile(r"://[^/]*@|[?&](password|token|X-Amz-Signature)=", re.I)
_PYTHON_VERSION = re.compile(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?")


class QuerySpec(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a database: the file of the query, and where the database is (an address or `secret://env/NAME`).

    key: columns that tell rows apart, and all are read each time; or watermark: columns by which later rows come later, and
    only those are read and appended. One of the two.
    """

    sql: str
    address: str
    key: tuple[str, ...] = ()
    watermark: tuple[str, ...] = ()


class PlaceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Data that stay where they are: their address, as `from` has it, and the version of a table where one is asked for."""

    address: str
    version: str | None = None


class DataSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file (relative to the spec, absolute or elsewhere) and its contract.

    query: what the rows are asked with where they come from a database; place: where data in place are. `path` is where a
    checkout puts the files of both.
    contract_path: its file, when it has one of its own; `parse_spec` reads no files and leaves `contract` None then.
    """

    name: str
    path: str
    contract: ContractSpec | None = None
    contract_path: str | None = None
    query: QuerySpec | None = None
    place: PlaceSpec | None = None


class EnvironmentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The lock that the steps' environment is made from (a path inside the project) and its Python, such as `3.11`."""

    lock: str = "requirements.lock"
    python: str | None = None


def read_environment(node: Node) -> EnvironmentSpec:
    if not isinstance(node.value, dict):
        return EnvironmentSpec(lock=inside_path(node, "environment"))
    entries = fields(node, ("lock", "python"), "environment")
    lock = inside_path(entries["lock"], "environment.lock") if "lock" in entries else "requirements.lock"
    python = entries.get("python")
    if python and not _PYTHON_VERSION.fullmatch(python.raw):  # as written: 3.10 without quotes is not 3.1
        raise python.fail(f"environment.python is not {python.shown()}", mend='a version, as in "3.11"')
    return EnvironmentSpec(lock=lock, python=python.raw if python else None)


def read_data(key: Node, node: Node, load_contract: LoadContract | None) -> DataSpec:
    name = name_of(key, "data")
    if not isinstance(node.value, dict):
        return DataSpec(name=name, path=text(node, f"the path of {name}"))
    entries = fields(node, ("path", "contract", "sql", "from", "key", "watermark", "version"), f"data {name}")
    place = None if "sql" in entries else _place(name, entries)
    query = None if place else read_query(name, entries, what=f"data {name}")
    if query is None and place is None and "path" not in entries:
        raise key.fail(f"data {name} has no path", mend="path: FOLDER_OR_FILE, sql: QUERY.sql, or from: s3://BUCKET/PREFIX")
    path = text(entries["path"], f"the path of {name}") if "path" in entries else f"data/{name}"
    data = DataSpec(name=name, path=path, query=query, place=place)
    return _with_contract(data, entries["contract"], load_contract) if "contract" in entries else data


def _place(name: str, entries: Mapping[str, Node]) -> PlaceSpec | None:
    """Of `from` without a query: data in place. None where it names no such place, which is then a query's mistake."""
    node = entries.get("from")
    if node is None or not isinstance(node.value, str) or not node.value.startswith(PLACES):
        return None
    for word in ("key", "watermark"):
        if word in entries:
            raise entries[word].fail(f"`{word}` is of a query, and data {name} has none", mend="sql: QUERY.sql")
    what, version = f"the address of {name}", entries.get("version")
    if _CREDENTIALS.search(node.value):  # not repeated: it may hold a secret
        raise node.fail(f"{what} holds credentials", mend="leave them out: they are those of the environment")
    if len(node.value) > 1000 or re.search(r"[\x00-\x1f\x7f]", node.value) or not _PLACE.fullmatch(node.value):
        raise node.fail(f"{what} is none of a place that can be read", mend=" or ".join(_PLACE_WORDS))
    if version is None:
        return PlaceSpec(address=node.value)
    form = next((one for one in _VERSIONS if node.value.startswith(one)), None)
    if form is None or not _VERSIONS[form].fullmatch(version.raw):
        mend = "version: NUMBER of delta:, or the id of a snapshot, a branch or a tag of iceberg:"
        raise version.fail(f"the version of {name} is none of a table", mend=mend)
    return PlaceSpec(address=node.value, version=version.raw)


def read_query(name: str, entries: Mapping[str, Node], *, what: str) -> QuerySpec | None:
    """The query among entries; None without one. Without `from`, the address is in a variable that is called after `name`."""
    if "sql" not in entries:
        for word in ("from", "key", "watermark", "version"):
            if word in entries and word == "from":
                mend = f"sql: QUERY.sql, or one of {', '.join(_PLACE_WORDS)}"
                raise entries[word].fail(f"`from` names no data in place, and {what} has no query", mend=mend)
            if word in entries:
                raise entries[word].fail(f"`{word}` is of a query, and {what} has none", mend="sql: QUERY.sql")
        return None
    sql = entries["sql"]
    order = {word: texts(entries[word], f"the {word} of {name}") for word in ("key", "watermark") if word in entries}
    if len(order) != 1 or not any(order.values()):
        said = "both a key and a watermark" if len(order) > 1 else "neither a key nor a watermark"
        mend = "key: [COLUMNS] that tell rows apart, or watermark: [COLUMNS] by which later rows come later"
        raise sql.fail(f"the query of {name} says {said}", mend=mend)
    address = _address(entries["from"], name) if "from" in entries else f"secret://env/{_variable(name)}"
    return QuerySpec(sql=inside_path(sql, f"the query of {name}"), address=address, **order)


def _variable(name: str) -> str:
    """
    >>> _variable("new-customers")
    'NEW_CUSTOMERS_URL'
    """
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_URL"


def _address(node: Node, name: str) -> str:
    what = f"the address of {name}"
    if isinstance(node.value, str) and node.value.startswith("secret:"):
        return secret_ref(node, what)
    if isinstance(node.value, str) and _PASSWORD.search(node.value):  # not repeated: it holds a secret
        raise node.fail(f"{what} holds a password", mend="from: secret://env/NAME, and the address in that variable")
    return text(node, what)


def _with_contract(data: DataSpec, node: Node, load_contract: LoadContract | None) -> DataSpec:
    if not isinstance(node.value, str):
        return msgspec.structs.replace(data, contract=read_contract(node))
    path = inside_path(node, f"the contract of {data.name}")
    try:
        contract = load_contract(path) if load_contract else None
    except SpecMissing as problem:
        raise node.fail(problem.what, mend="correct the path, or write the contract here") from problem
    return msgspec.structs.replace(data, contract=contract, contract_path=path)
