"""Files of torch.export as Shipway reads them: what is kept of one, and what is refused before torch sees it.

None of this needs torch; what real ones answer is tests/pipeline/test_pipeline_torch.py.
"""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
import zlib
from typing import Any

import pytest
from program_help import Change, archive, node, program, tensor

from shipway.models import Column, ModelUnknown, ModelUntrusted, pack_program
from shipway.models._load import load_bytes
from shipway.models._program_file import read_program

X_Y = (Column("x", "FP64"), Column("y", "FP64"))


def graph_of(record: dict[str, Any]) -> Any:
    return record["graph_module"]["graph"]


def first_config(record: dict[str, Any]) -> Any:
    return record["weights"]["config"]["weight"]


def first_meta(record: dict[str, Any]) -> Any:
    return first_config(record)["tensor_meta"]


def calls(target: str) -> Change:
    return lambda record, _: graph_of(record)["nodes"][0].update(target=target)


def sized(expression: str) -> Change:
    return lambda record, _: graph_of(record)["tensor_values"]["rows"]["sizes"][0].update({"as_expr": {"expr_str": expression}})


def without(path: str) -> Change:
    def change(_: dict[str, Any], files: dict[str, bytes]) -> None:
        del files[path]

    return change


def specified(place: int, spec: dict[str, Any]) -> Change:
    def change(record: dict[str, Any], _: dict[str, bytes]) -> None:
        record["graph_module"]["signature"]["input_specs"][place] = spec

    return change


def test_a_program_says_what_it_takes_holds_and_answers() -> None:
    found = read_program(program())
    assert [(one.name, one.dtype, list(one.sizes)) for one in found.inputs] == [("rows", "float32", [None, 2])]
    assert [(one.name, one.dtype, list(one.sizes)) for one in found.outputs] == [("probability", "float32", [None, 1])]
    assert {name: (one.dtype, list(one.sizes)) for name, one in found.held.items()} == {
        "p_weight": ("float32", [1, 2]),
        "p_bias": ("float32", [1]),
    }
    assert found.returned == ["sigmoid"]


def test_what_is_kept_has_no_pickle_no_path_of_a_machine_and_one_form() -> None:
    def elsewhere(record: dict[str, Any], files: dict[str, bytes]) -> None:
        for one in graph_of(record)["nodes"]:
            one["metadata"] = {"stack_trace": "/another/machine"}
        files.update({".data/serialization_id": b"another lot", "data/sample_inputs/model.pt": b"", "extra/note": b"x"})

    kept = pack_program(program())
    assert kept == pack_program(program(elsewhere)) == pack_program(kept)
    assert b"somebody" not in kept
    with zipfile.ZipFile(io.BytesIO(kept)) as files:
        assert files.read("program/data/sample_inputs/model.pt") == b""
        assert "program/.data/serialization_id" not in files.namelist()
    said = pack_program(program(lambda _, files: files.update({"extra/classes": b'["early", "late"]'})))
    assert read_program(said).said == '["early", "late"]'


def pickled(record: dict[str, Any], _: dict[str, bytes]) -> None:
    first_config(record)["use_pickle"] = True


def object_of_python(record: dict[str, Any], files: dict[str, bytes]) -> None:
    record["constants"]["config"]["c"] = {
        "path_name": "opaque_obj_0",
        "is_param": False,
        "use_pickle": False,
        "tensor_meta": None,
    }
    files["data/constants/opaque_obj_0"] = pickle.dumps("x")


UNTRUSTED: dict[str, Change] = {
    "a tensor that is a pickle": pickled,
    "an object of Python": object_of_python,
    "a tensor of another folder": lambda record, _: first_config(record).update(path_name="../../models/model.json"),
    "machine code": lambda _, files: files.update({"data/aotinductor/model/a.so": b"\x7fELF"}),
    "an input that is an object": specified(0, {"custom_obj": {"arg": {"name": "p_weight", "class_fqn": "x"}}}),
    "larger than its bytes": lambda record, _: first_meta(record)["sizes"][0].update(as_int=2),
    "absurdly large": lambda record, _: first_meta(record)["sizes"][0].update(as_int=1 << 40),
    "far strides": lambda record, _: first_meta(record)["strides"][1].update(as_int=1 << 30),
    "far offset": lambda record, _: first_meta(record)["storage_offset"].update(as_int=9),
    "cut bytes": lambda _, files: files.update({"data/weights/weight_0": b"1234567"}),
    "another dtype": lambda record, _: first_meta(record).update(dtype=8),
    "reads a file": calls("torch.ops.aten.from_file.default"),
    "memory as it was": calls("torch.ops.aten.empty.memory_format"),
    "by chance": calls("torch.ops.aten.rand_like.default"),
    "writes to what it is given": calls("torch.ops.aten.add.out"),
    "runs a program": calls("torch.os.system"),
    "loads a file": calls("torch.load"),
    "a function of Python": calls("_operator.attrgetter"),
    "another library": calls("torch.ops.mylib.op.default"),
    "an extension": calls("#mylib:op"),
    "another program": calls("torch.ops.higher_order.cond"),
    "a size that is code": sized("__import__('os').system('true')"),
    "a size that is an attribute": sized("s10.func"),
    "a size that takes for ever": sized("9**9**9**9"),
    "a symbol that is code": sized("Symbol('s10', positive=print(1))"),
}


@pytest.mark.parametrize("what", UNTRUSTED)
def test_a_program_that_is_more_than_numbers_is_refused_before_torch_sees_it(what: str) -> None:
    data = program(UNTRUSTED[what])
    for read in (read_program, pack_program, lambda data: load_bytes("torch", data, X_Y)):
        with pytest.raises(ModelUntrusted):
            read(data)


def again(record: dict[str, Any], _: dict[str, bytes]) -> None:
    nodes = graph_of(record)["nodes"]
    nodes.append(node("torch.ops.aten.relu.default", "linear", tensor("sigmoid")))


UNKNOWN: dict[str, tuple[Change, str]] = {
    "another version": (lambda record, _: record["schema_version"].update(major=9), "version 9 of torch's format"),
    "no program": (lambda _, files: files.update({"models/model.json": b"{}"}), "not the file that torch.export saves"),
    "not JSON": (lambda _, files: files.update({"models/model.json": b"[" * 100_000}), "not the file that torch.export saves"),
    "of torch.save": (without("archive_format"), "not the file that torch.export saves"),
    "big-endian": (lambda _, files: files.update(byteorder=b"big"), "not the file that torch.export saves"),
    "on a GPU": (lambda record, _: first_meta(record)["device"].update(type="cuda"), "lies on cuda"),
    "sparse": (lambda record, _: first_meta(record).update(layout=1), "is sparse"),
    "negative": (lambda record, _: first_meta(record)["sizes"][0].update(as_int=-1), "no size: -1"),
    "complex": (lambda record, _: first_meta(record).update(dtype=10), "that can be read: KeyError"),
    "a name twice": (again, "comes twice"),
    "a name that is not there": (
        lambda record, _: graph_of(record)["nodes"][1]["inputs"][0]["arg"]["as_tensor"].update(name="later"),
        "'later' is not known",
    ),
    "a weight that is not there": (lambda record, _: record["weights"]["config"].pop("bias") and None, "KeyError"),
    "no tensor": (specified(2, {"user_input": {"arg": {"as_int": 3}}}), "takes what is no tensor"),
    "state": (
        lambda record, _: record["graph_module"]["signature"].update(
            output_specs=[{"buffer_mutation": {"arg": {"name": "linear"}, "buffer_name": "mean"}}]
        ),
        "changes itself while it answers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_no_program_that_can_be_read_is_said(what: str) -> None:
    change, says = UNKNOWN[what]
    with pytest.raises(ModelUnknown, match=says):
        read_program(program(change))


def test_what_torch_saves_as_a_pickle_or_a_script_is_no_program() -> None:
    for files in ({"data.pkl": b"\x80\x02."}, {"constants.pkl": b"", "code/x.py": b""}, {}):
        with pytest.raises(ModelUnknown, match=r"not the file that torch\.export saves") as problem:
            read_program(archive(files))
        assert "torch.export.save(program" in str(problem.value.mend)
    with pytest.raises(ModelUnknown):
        read_program(pickle.dumps("x"))


def test_files_that_lie_over_each_other_are_refused() -> None:
    """A thousand members of the same megabyte would come out as a gigabyte."""
    data = bytearray(archive({"a": bytes(1000), "b": bytes(1000)}))
    first, second = data.index(b"PK\x01\x02"), data.index(b"PK\x03\x04", 10)
    begin = 30 + len("net/a")
    size = second + 30 + len("net/b") + 1000 - begin  # the first reaches over the second, header and all
    crc = zlib.crc32(data[begin : begin + size])
    data[first + 16 : first + 28] = struct.pack("<III", crc, size, size)
    with pytest.raises((ModelUntrusted, ModelUnknown), match=r"they lie over each other|[Oo]verlap"):
        read_program(bytes(data))


def test_a_byte_changed_or_missing_anywhere_is_refused_or_read() -> None:
    draw, data, refused = random.Random(0), program(), 0
    for _ in range(300):
        place = draw.randrange(len(data))
        changed = data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :] if draw.random() < 0.7 else data[:place]
        try:
            read_program(changed)
        except (ModelUnknown, ModelUntrusted):
            refused += 1
    assert 200 < refused <= 300


def test_a_matrix_or_columns_by_name_is_what_a_program_takes_and_torch_is_the_projects() -> None:
    with pytest.raises(ModelUnknown, match="torch is not in the environment that loads the model") as problem:
        load_bytes("torch", program(), X_Y)
    assert problem.value.mend == "add torch to the project's requirements and lock them: shipway lock"
