"""Models: signature, the bytes of columns, safe loading, bare prediction and golden rows.

Runs in Shipway's own Python and, under the overlay, in a project's: standard library, numpy, msgspec and the kernel only.
scikit-learn and skops are imported when a model is loaded, never before; pickles are not read at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.models._columns import Array, ColumnsMalformed, datatype_of, decode_columns, encode_columns
    from shipway.models._folder import pack_folder
    from shipway.models._functions import FunctionWrong, functions_blob
    from shipway.models._golden import (
        Agreement,
        Distance,
        GoldenMismatch,
        check_golden,
        compare_golden,
        golden_blob,
        measure_distance,
        read_golden,
    )
    from shipway.models._load import load_model
    from shipway.models._manifest import model_object, served_model
    from shipway.models._matrix import Matrix
    from shipway.models._model import ModelDamaged, ModelUnknown, ModelUntrusted, Predictable
    from shipway.models._program_file import pack_program
    from shipway.models._row import RowEncoder
    from shipway.models._rows import RowMaker, Rows
    from shipway.models._signature import DATATYPES, Column, Signature, SignatureMalformed
    from shipway.models._stack import InputMismatch, join, matrix_of, stack
    from shipway.models._ubj import xgboost_json

_HOME = {
    "_columns": ["Array", "ColumnsMalformed", "datatype_of", "decode_columns", "encode_columns"],
    "_folder": ["pack_folder"],
    "_functions": ["FunctionWrong", "functions_blob"],
    "_golden": [
        "Agreement",
        "Distance",
        "GoldenMismatch",
        "check_golden",
        "compare_golden",
        "golden_blob",
        "measure_distance",
        "read_golden",
    ],
    "_load": ["load_model"],
    "_manifest": ["model_object", "served_model"],
    "_matrix": ["Matrix"],
    "_model": ["ModelDamaged", "ModelUnknown", "ModelUntrusted", "Predictable"],
    "_program_file": ["pack_program"],
    "_row": ["RowEncoder"],
    "_rows": ["RowMaker", "Rows"],
    "_signature": ["DATATYPES", "Column", "Signature", "SignatureMalformed"],
    "_stack": ["InputMismatch", "join", "matrix_of", "stack"],
    "_ubj": ["xgboost_json"],
}

__all__ = [
    "DATATYPES",
    "Agreement",
    "Array",
    "Column",
    "ColumnsMalformed",
    "Distance",
    "FunctionWrong",
    "GoldenMismatch",
    "InputMismatch",
    "Matrix",
    "ModelDamaged",
    "ModelUnknown",
    "ModelUntrusted",
    "Predictable",
    "RowEncoder",
    "RowMaker",
    "Rows",
    "Signature",
    "SignatureMalformed",
    "check_golden",
    "compare_golden",
    "datatype_of",
    "decode_columns",
    "encode_columns",
    "functions_blob",
    "golden_blob",
    "join",
    "load_model",
    "matrix_of",
    "measure_distance",
    "model_object",
    "pack_folder",
    "pack_program",
    "read_golden",
    "served_model",
    "stack",
    "xgboost_json",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
