"""Programs of torch.export, answered by the project's own torch: its operators one after another, on one thread and the CPU.

The graph is followed here and not by `torch.export.load`, which would unpickle and evaluate what is in the file.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from shipway.models._columns import Array
from shipway.models._library import library
from shipway.models._model import ModelUnknown
from shipway.models._program_file import DTYPES, Flow, Held, Program, read_program
from shipway.models._program_graph import used
from shipway.models._signature import Column, Signature
from shipway.models._stack import check_inputs
from shipway.models._tensors import Port, answers_of, feed_of, values_of

_PORTS = {
    "float64": "tensor(double)", "float32": "tensor(float)", "float16": "tensor(float16)", "bfloat16": "tensor(float)",
    "int64": "tensor(int64)", "int32": "tensor(int32)", "int16": "tensor(int16)", "int8": "tensor(int8)",
    "uint8": "tensor(uint8)", "bool": "tensor(bool)",
}  # fmt: skip
_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
Values = dict[str, Any]


def load_program(data: bytes, inputs: tuple[Column, ...]) -> ProgramModel:
    """The program in a file of torch.export. Raises ModelUntrusted, ModelUnknown (also where torch lacks an operator)."""
    program = read_program(data)
    torch = one_thread()
    try:
        held = {name: _tensor(torch, one) for name, one in program.held.items()}
        steps = _steps(torch, program)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as problem:
        line = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ModelUnknown(f"not a program that torch {torch.__version__} can run: {line:.200}") from problem
    return ProgramModel(torch, program, held, steps, inputs)


def one_thread() -> Any:
    """torch, on one thread. Raises ModelUnknown where the environment has it not."""
    torch = library("torch")
    torch.set_num_threads(1)
    with suppress(RuntimeError):  # it has computed already, with as many as were said first
        torch.set_num_interop_threads(1)
    return torch


class ProgramModel:
    """A program behind the Predictable protocol."""

    def __init__(
        self, torch: Any, program: Program, held: Mapping[str, Any], steps: Sequence[_Step], inputs: tuple[Column, ...]
    ) -> None:
        self._torch, self._program, self._held, self._steps = torch, program, held, steps
        self._feed = feed_of([_port(flow) for flow in program.inputs], inputs)
        self._answers, self.classes = answers_of([_port(flow) for flow in program.outputs], program.said)
        self.signature = Signature(inputs, tuple(answer.column for answer in self._answers))

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """One array an output, in signature order; raises InputMismatch, ModelUnknown (other rows out than in), torch's own."""
        rows = check_inputs(columns, self.signature)
        if rows == 0:
            return {column.name: np.empty(0) for column in self.signature.outputs}
        given = self._run(self._feed(columns))
        if odd := next((name for name, array in given.items() if array.shape[:1] != (rows,)), None):
            raise ModelUnknown(f"the program answers {odd} of shape {list(given[odd].shape)} for {rows} rows")
        return {answer.column.name: values_of(given[answer.output], answer) for answer in self._answers}

    def _run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        torch, program = self._torch, self._program
        values: Values = dict(self._held)
        for flow in program.inputs:
            values[flow.name] = torch.tensor(feed[flow.name], dtype=getattr(torch, flow.dtype))
        with torch.inference_mode():
            for step in self._steps:
                step.keep(values, step.call(*(one(values) for one in step.given), **{k: one(values) for k, one in step.named}))
                for name in step.done:
                    del values[name]
            found = [values[name] for name in program.returned]
            wide = [one.detach().float() if one.dtype == torch.bfloat16 else one.detach() for one in found]
            return {flow.name: one.numpy() for flow, one in zip(program.outputs, wide, strict=True)}


class _Step(NamedTuple):
    """One call; keep: puts what it gave by name; done: the names that nothing asks for after it."""

    call: Callable[..., Any]
    given: Sequence[Callable[[Values], Any]]
    named: Sequence[tuple[str, Callable[[Values], Any]]]
    keep: Callable[[Values, Any], None]
    done: Sequence[str]


def _port(flow: Flow) -> Port:
    return Port(flow.name, _PORTS[flow.dtype], flow.sizes)


def _tensor(torch: Any, held: Held) -> Any:
    dtype = getattr(torch, held.dtype)
    if 0 in held.sizes:
        return torch.zeros(tuple(held.sizes), dtype=dtype)
    flat = torch.frombuffer(bytearray(held.data), dtype=dtype).clone()  # aligned as torch's own: else the last bit may differ
    found = flat.as_strided(tuple(held.sizes), tuple(held.strides), held.offset)
    # a weight has to be a Parameter as when it was trained: torch chooses by that how it computes, down to the last bit
    return torch.nn.Parameter(found) if held.trained else found


def _steps(torch: Any, program: Program) -> list[_Step]:
    """In order, each with the names of values that are used by it for the last time."""
    steps, wanted = [], {*program.returned, *program.held}
    for node in reversed(program.nodes):
        arguments = [(str(one["name"]), one["kind"], *next(iter(one["arg"].items()))) for one in node["inputs"]]
        if any(name in ("train", "training") and value is True for name, _, _, value in arguments):
            raise ValueError("it was exported while training: call model.eval() before torch.export.export")
        names = {name for _, _, form, value in arguments for name in used(form, value)}
        made = [name for output in node["outputs"] for name in used(*next(iter(output.items())))]
        done = [name for name in {*names, *made} if name not in wanted]
        wanted |= names
        steps.append(
            _Step(
                _call(torch, node["target"]),
                [_argument(torch, form, value) for _, kind, form, value in arguments if kind != 2],
                [(name, _argument(torch, form, value)) for name, kind, form, value in arguments if kind == 2],
                _keeper(node["outputs"]),
                done,
            )
        )
    return steps[::-1]


def _call(torch: Any, target: str) -> Callable[..., Any]:
    root, _, name = target.rpartition(".")
    if root == "_operator":
        return getattr(operator, name)  # type: ignore[no-any-return]
    if root == "torch":
        return getattr(torch, name)  # type: ignore[no-any-return]
    return getattr(getattr(torch.ops.aten, root.rpartition(".")[2]), name)  # type: ignore[no-any-return]


def _argument(torch: Any, form: str, value: Any) -> Callable[[Values], Any]:
    """How an argument is got out of the values so far."""
    if form in ("as_tensor", "as_optional_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
        found = list(used(form, value))
        return (
            operator.itemgetter(found[0])
            if found
            else _constantly(next(iter(value.values())) if "as_none" not in value else None)
        )
    if form == "as_tensors":
        return lambda values: [values[one["name"]] for one in value]
    if form == "as_optional_tensors":
        parts = [_argument(torch, "as_optional_tensor", one) for one in value]
        return lambda values: [part(values) for part in parts]
    if form == "as_sym_ints":
        return lambda values: [values[one["as_name"]] if "as_name" in one else one["as_int"] for one in value]
    return _constantly(_constant(torch, form, value))


def _constant(torch: Any, form: str, value: Any) -> Any:
    if form == "as_none":
        return None
    if form == "as_scalar_type":
        return getattr(torch, DTYPES[value])
    if form == "as_memory_format":
        return getattr(torch, _FORMATS[value])
    if form == "as_float":
        return float(value)  # JSON has no infinity: the file says it as text
    if form == "as_floats":
        return [float(one) for one in value]
    if form in ("as_device", "as_layout"):
        if value not in (7, {"type": "cpu", "index": None}):
            raise ValueError(f"it computes on {value!r:.60}: export it on the CPU")
        return torch.strided if form == "as_layout" else torch.device("cpu")
    return value


def _constantly(value: Any) -> Callable[[Values], Any]:
    return lambda _: value


def _keeper(outputs: Sequence[Mapping[str, Any]]) -> Callable[[Values, Any], None]:
    forms = [next(iter(output.items())) for output in outputs]
    if not forms:
        return lambda _values, _given: None
    if len(forms) == 1 and forms[0][0] != "as_tensors":
        names = list(used(*forms[0]))
        return lambda values, given: values.update(dict.fromkeys(names, given))

    def keep(values: Values, given: Any) -> None:
        parts = [given] if len(forms) == 1 else given
        for (form, value), part in zip(forms, parts, strict=True):
            names = list(used(form, value))
            values.update(zip(names, part if form == "as_tensors" else [part] * len(names), strict=True))

    return keep
