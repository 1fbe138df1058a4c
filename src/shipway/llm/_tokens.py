"""Token counts before a call, for reservations only: a bill is made from what the provider counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from math import ceil
from typing import Protocol, cast

from shipway.llm._weights import package_folder

_MARGIN = 1.1  # without a tokenizer; English text in o200k is 4 to 4.5 bytes a token


class _Tokenizer(Protocol):
    def count(self, text: str) -> int: ...


def count_tokens(text: str) -> int:
    """Tokens of a text: exactly o200k where `bpe-openai` is installed, otherwise a tenth more than its UTF-8 bytes / 4.

    Other models' tokenizers differ by a quarter or so, hence: for reservations and estimates only.
    """
    return _counter()(text)


def approximate_tokens(text: str) -> int:
    """The count without a tokenizer.

    >>> approximate_tokens("four"), approximate_tokens("")
    (2, 0)
    """
    return ceil(len(text.encode("utf-8", "replace")) / 4 * _MARGIN)


@cache
def _counter() -> Callable[[str], int]:
    exact = _o200k()
    if exact is None:
        return approximate_tokens

    def count(text: str) -> int:
        try:
            return exact.count(text)
        except UnicodeEncodeError:  # half of a surrogate pair, which no wire format carries either
            return exact.count(text.encode("utf-8", "replace").decode())

    return count


def _o200k() -> _Tokenizer | None:
    """The tokenizer in the compiled part of `bpe-openai`, None where that is not installed.

    Without its Python wrapper, which reads a second table at import (half a second), and refuses long texts and special names.
    """
    folder = package_folder("bpe_openai")
    for suffix in EXTENSION_SUFFIXES if folder else ():
        spec = spec_from_file_location("bpe_openai._bindings", f"{folder}/_bindings{suffix}")
        if spec is None or spec.loader is None:
            continue
        try:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
        except ImportError:
            continue
        return cast("_Tokenizer", module.tokenizer_for_encoding("o200k_base"))
    return None
