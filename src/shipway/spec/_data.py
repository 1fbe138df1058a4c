"""The `data:` and `environment:` sections: where the rows lie, what they promise, what the steps run in."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from shipway.spec._contract import ContractSpec, read_contract
from shipway.spec._errors import SpecMissing
from shipway.spec._fields import fields, text
from shipway.spec._names import inside_path, name_of
from shipway.spec._node import Node

LoadContract = Callable[[str], ContractSpec]
"""The contract in a file named relative to the spec; raises SpecMissing or SpecMalformed."""

_PYTHON_VERSION = re.compile(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?")


class DataSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file (relative to the spec, absolute or elsewhere) and its contract.

    contract_path: its file, when it has one of its own; `parse_spec` reads no files and leaves `contract` None then.
    """

    name: str
    path: str
    contract: ContractSpec | None = None
    contract_path: str | None = None


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
    entries = fields(node, ("path", "contract"), f"data {name}")
    if "path" not in entries:
        raise key.fail(f"data {name} has no path", mend="path: FOLDER_OR_FILE")
    data = DataSpec(name=name, path=text(entries["path"], f"the path of {name}"))
    return _with_contract(data, entries["contract"], load_contract) if "contract" in entries else data


def _with_contract(data: DataSpec, node: Node, load_contract: LoadContract | None) -> DataSpec:
    if not isinstance(node.value, str):
        return msgspec.structs.replace(data, contract=read_contract(node))
    path = inside_path(node, f"the contract of {data.name}")
    try:
        contract = load_contract(path) if load_contract else None
    except SpecMissing as problem:
        raise node.fail(problem.what, mend="correct the path, or write the contract here") from problem
    return msgspec.structs.replace(data, contract=contract, contract_path=path)
