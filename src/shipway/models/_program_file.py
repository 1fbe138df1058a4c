"""A program of torch.export read from its file alone: the graph, its tensors, and no way from it into Python.

What torch itself does with such a file (`torch.export.load` of torch 2.13): it unpickles the example inputs and whatever tensor
says that it is a pickle, and evaluates the sizes in it as Python. So the file is read here, and what runs or holds code is
refused or left out: examples, pickles, stack traces, expressions, operators that do other things than numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shipway.models._folder import pack_folder, read_folder
from shipway.models._model import ModelUnknown, ModelUntrusted
from shipway.models._program_graph import check_expressions, check_nodes, name_of

DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    12: "bool", 13: "bfloat16",
}  # fmt: skip
"""The file's numbers of types, to torch's names."""

_MAJOR = 8  # of the format, since torch 2.6; 2.9 was the first to keep tensors without a pickle
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
_STRIDED = 7


class Held(NamedTuple):
    """A tensor of the file: the bytes of its storage, and which of them it is. Counted in elements, inside of the bytes.

    trained: whether it asks for a gradient.
    """

    dtype: str
    sizes: Sequence[int]
    strides: Sequence[int]
    offset: int
    data: bytes
    trained: bool


class Flow(NamedTuple):
    """An input or output: its name, type and sizes (None: any)."""

    name: str
    dtype: str
    sizes: Sequence[int | None]


class Program(NamedTuple):
    """held: by the name that the graph has for it; outputs: in the order of `returned`; said: the text of the file classes."""

    nodes: Sequence[Mapping[str, Any]]
    held: Mapping[str, Held]
    inputs: Sequence[Flow]
    outputs: Sequence[Flow]
    returned: Sequence[str]
    said: str | None


def read_program(data: bytes) -> Program:
    """Raises ModelUntrusted (it holds or asks for more than numbers), ModelUnknown (no such file, or another version)."""
    return _program(*_parts(data))


def pack_program(data: bytes) -> bytes:
    """The same program as the file that is kept: one form, without what names the machine it was exported on.

    Left out are the examples (a pickle), stack traces and an id drawn by lot; `torch.export.load` reads it.
    Raises ModelUntrusted, ModelUnknown.
    """
    files, record = _parts(data)
    program = _program(files, record)
    for node in record["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    record["guards_code"], record["metadata"] = [], {}
    kept = {path: content for path, content in files.items() if path.startswith(("data/weights/", "data/constants/"))}
    kept |= {path: files[path] for path in ("archive_format", "archive_version", "byteorder", ".data/version")}
    kept |= {} if program.said is None else {"extra/classes": program.said.encode()}
    kept |= {"models/model.json": json.dumps(record, sort_keys=False).encode(), "data/sample_inputs/model.pt": b""}
    return pack_folder({f"program/{path}": content for path, content in kept.items()})


def _parts(data: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files below the one folder of the archive, and the program's record."""
    files = {}
    for path, content in read_folder(data).items():
        files[path.partition("/")[2]] = content
    if files.get("archive_format") != b"pt2" or files.get("byteorder", b"little") != b"little":
        mend = "torch.export.save(program, 'net.pt2'), of torch 2.9 or later"
        raise ModelUnknown("not the file that torch.export saves", mend=mend)
    if compiled := next((path for path in files if path.startswith("data/aotinductor/")), None):
        raise ModelUntrusted(
            f"the file holds machine code: {compiled[:80]!r}", mend="save the exported program, not a compiled one"
        )
    try:
        record = _json(files["models/model.json"])
        found = record["schema_version"]["major"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelUnknown(f"not the file that torch.export saves: {problem!r}") from problem
    if found != _MAJOR:
        raise ModelUnknown(f"a program in version {found!s:.20} of torch's format; this version of Shipway reads {_MAJOR}")
    return files, record


def _program(files: Mapping[str, bytes], record: Mapping[str, Any]) -> Program:
    try:
        module = record["graph_module"]
        graph, signature = module["graph"], module["signature"]
        tensors = {**_tensors(files, "weights"), **_tensors(files, "constants")}
        check_expressions(record)
        held, inputs = _inputs(signature["input_specs"], tensors)
        values = graph["tensor_values"]
        check_nodes(graph, [*held, *inputs])
        _check_metas(values)
        returned = [_returned(spec) for spec in signature["output_specs"]]
        names = _output_names(module["module_call_graph"][0]["signature"]["out_spec"], len(returned))
        flows = [_flow(name, values[place]) for name, place in zip(names, returned, strict=True)]
        said = files["extra/classes"].decode() if "extra/classes" in files else None
        return Program(graph["nodes"], held, [_flow(name, values[name]) for name in inputs], flows, returned, said)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as problem:
        raise ModelUnknown(f"not a program of torch.export that can be read: {problem!r:.200}") from problem


def _json(data: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name comes twice")
        return found

    return json.loads(data, object_pairs_hook=once)


def _tensors(files: Mapping[str, bytes], kind: str) -> dict[str, Held]:
    """The tensors of one folder by the name that the signature has for them."""
    config = _json(files[f"data/{kind}/model_{kind}_config.json"])["config"]
    return {name: _held(name, one, files, f"data/{kind}/{one['path_name']}") for name, one in config.items()}


def _held(name: str, one: Mapping[str, Any], files: Mapping[str, bytes], path: str) -> Held:
    if one["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d{1,6}", one["path_name"], re.ASCII):
        raise ModelUntrusted(f"{name[:80]!r} of the program is no plain tensor, but an object of Python")
    meta, data = one["tensor_meta"], files[path]
    sizes, strides = ([_whole(size["as_int"]) for size in meta[part]] for part in ("sizes", "strides"))
    offset, width = _whole(meta["storage_offset"]["as_int"]), _WIDTHS[_whole(meta["dtype"])]
    _check_place(name, meta)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if (0 not in sizes and (last + 1) * width > len(data)) or len(data) % width:
        raise ModelUntrusted(f"the tensor {name[:80]!r} has other numbers of bytes than its shape says")
    return Held(DTYPES[meta["dtype"]], sizes, strides, offset, data, meta["requires_grad"] is True)


def _check_place(name: str, meta: Mapping[str, Any]) -> None:
    if meta["device"]["type"] != "cpu":
        raise ModelUnknown(
            f"the tensor {name[:80]!r} lies on {meta['device']['type']!s:.20}", mend="export the program on the CPU"
        )
    if meta["layout"] != _STRIDED:
        raise ModelUnknown(f"the tensor {name[:80]!r} is sparse", mend="export a program of dense tensors")


def _check_metas(values: Mapping[str, Any]) -> None:
    for name, meta in values.items():
        _check_place(name, meta)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise ValueError(f"no size: {value!r:.40}")
    return value


def _inputs(specs: Sequence[Mapping[str, Any]], tensors: Mapping[str, Held]) -> tuple[dict[str, Held], list[str]]:
    """What the program holds itself, and the names of what it is given, in order."""
    held, given = {}, []
    for spec in specs:
        ((kind, what),) = spec.items()
        if kind == "user_input":
            ((form, argument),) = what["arg"].items()
            if form != "as_tensor":
                raise ModelUnknown("the program takes what is no tensor", mend="export a forward of tensors alone")
            given.append(name_of(argument["name"]))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            held[name_of(what["arg"]["name"])] = tensors[what[f"{kind}_name"]]
        else:
            raise ModelUntrusted(f"the program has an input that is {kind[:40]!r}, no tensor")
    return held, given


def _returned(spec: Mapping[str, Any]) -> str:
    ((kind, what),) = spec.items()
    if kind != "user_output":
        mend = "export it after model.eval(), without state of its own"
        raise ModelUnknown(f"the program changes itself while it answers ({kind!s:.40})", mend=mend)
    return name_of(what["arg"]["as_tensor"]["name"])


def _output_names(spec: str, count: int) -> list[str]:
    """The keys of the dict that forward returns; otherwise output, or output_0, output_1..."""
    tree = _json(spec.encode())[1]
    if tree["type"] == "builtins.dict":
        names = json.loads(tree["context"])
        if len(names) == count == len(set(names)) and all(isinstance(name, str) for name in names):
            return list(names)
    return ["output"] if count == 1 else [f"output_{place}" for place in range(count)]


def _flow(name: str, meta: Mapping[str, Any]) -> Flow:
    sizes = [_whole(size["as_int"]) if "as_int" in size else None for size in meta["sizes"]]
    return Flow(name, DTYPES[meta["dtype"]], sizes)
