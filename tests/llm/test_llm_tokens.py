from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from shipway.llm import count_tokens
from shipway.llm._tokens import approximate_tokens

HEAVY = (
    "aiohttp",
    "numpy",
    "onnxruntime",
    "onnx",
    "tokenizers",
    "xllamacpp",
    "genai_prices",
    "bpe_openai",
    "sqlite3",
    "msgspec",
)


def test_tokens_are_o200k_also_for_the_names_of_special_ones() -> None:
    """24912 and 2375 are "hello" and " world" in o200k_base; the special token's name is plain text to a model."""
    assert count_tokens("hello world") == 2
    assert count_tokens("") == 0
    assert count_tokens("<|endoftext|>") > 1


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_has_a_count(text: str) -> None:
    assert 0 <= count_tokens(text) <= 4 * len(text)
    assert approximate_tokens(text) >= len(text) / 4


def test_the_door_imports_nothing_heavy() -> None:
    code = f"import sys, shipway.llm, shipway.llm._types; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_name_of_the_door_is_there() -> None:
    import shipway.llm

    assert [name for name in shipway.llm.__all__ if not hasattr(shipway.llm, name)] == []
