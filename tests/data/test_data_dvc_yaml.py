"""What we write of YAML is what DVC's own writer writes, byte for byte, and reads back as it was."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shipway.data.dvc import plain, read_yaml, render_yaml
from shipway.kernel.canonical import Json

_LETTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), exclude_characters="\u2028\u2029\ufeff\x85")
_WORDS = st.one_of(
    st.text(_LETTERS, max_size=12),
    st.sampled_from(["no", "1_000", "0x1f", "1e-05", ".5", "2020-01-01", "12:30", "~", "null", "true"]),
    st.sampled_from(["- a", "a: b", "#", "x #y", "=", "<<", "?", "a\\b"]),
)
_SPACED = st.lists(st.one_of(_WORDS, st.sampled_from(["'", '"', "&&", "--flag", ";", ">"])), max_size=40).map(" ".join)
_LINES = st.lists(_SPACED, min_size=2, max_size=3).map("\n".join)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    _WORDS,
    _SPACED,
    _LINES,
)
_KEYS = st.text("abcdefghijklmnop_@-./0123456789", min_size=1, max_size=20)
_VALUES = st.recursive(
    _SCALARS, lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(_KEYS, below, max_size=4)), max_leaves=12
)


def theirs(value: Json) -> str:
    """By the writer of DVC, made as DVC makes it."""
    out, writer = io.StringIO(), YAML()
    writer.default_flow_style = False
    writer.dump(value, out)
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4))
def test_any_document_is_written_as_dvc_writes_it_and_read_as_dvc_reads_it(value: dict[str, Json]) -> None:
    text = render_yaml(value)
    assert text == theirs(value)
    assert plain(read_yaml(text, "x")) == YAML(typ="safe", pure=True).load(text), "which is mostly the same document"
