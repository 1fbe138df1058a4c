"""ONNX files, answered by the project's own onnxruntime: one thread, the CPU, no library of operators beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shipway.models._columns import Array
from shipway.models._library import library
from shipway.models._model import ModelUnknown
from shipway.models._onnx_file import check_onnx_bytes
from shipway.models._signature import Column, Signature
from shipway.models._stack import check_inputs
from shipway.models._tensors import answers_of, feed_of, values_of

_CLASSES = "classes"


def load_onnx(data: bytes, inputs: tuple[Column, ...]) -> OnnxModel:
    """The model in an ONNX file; raises ModelUntrusted (it leads outside itself), ModelUnknown (it does not fit)."""
    check_onnx_bytes(data)
    return OnnxModel(open_session(data), inputs)


def open_session(data: bytes) -> Any:
    """onnxruntime over these bytes; raises ModelUnknown when it cannot run them."""
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised; warnings of its optimiser help nobody
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # its errors share no class of their own
        line = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ModelUnknown(f"not an ONNX file that onnxruntime {runtime.__version__} can run: {line}") from problem


class OnnxModel:
    """A session behind the Predictable protocol."""

    def __init__(self, session: Any, inputs: tuple[Column, ...]) -> None:
        self._session = session
        self._feed = feed_of(session.get_inputs(), inputs)
        answers, self.classes = answers_of(session.get_outputs(), session.get_modelmeta().custom_metadata_map.get(_CLASSES))
        self._answers = answers
        self._names = list(dict.fromkeys(answer.output for answer in answers))
        self.signature = Signature(inputs, tuple(answer.column for answer in answers))

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """One array an output, in signature order; raises InputMismatch."""
        if check_inputs(columns, self.signature) == 0:
            return {c.name: np.empty(0, object if c.datatype == "BYTES" else np.float64) for c in self.signature.outputs}
        given = dict(zip(self._names, self._session.run(self._names, self._feed(columns)), strict=True))
        return {answer.column.name: values_of(given[answer.output], answer) for answer in self._answers}
