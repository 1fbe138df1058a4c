"""One value has one digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kernel.canonical import Json, NotCanonical, canonical_json, name_of_text, parse_json, text_of_name
from shipway.kernel.digest import Descriptor, DigestMalformed, digest_bytes, parse_digest

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_value_survives_its_canonical_form(value: Json) -> None:
    again = parse_json(canonical_json(value))
    assert again == json.loads(json.dumps(value))
    assert canonical_json(again) == canonical_json(value)


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_the_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(st.integers(min_value=2**53))
def test_integers_that_a_double_would_change_are_written_as_text(number: int) -> None:
    assert parse_json(canonical_json({"n": number})) == {"n": str(number)}


@given(st.binary(min_size=1))
def test_every_file_name_has_a_text_and_comes_back(name: bytes) -> None:
    assert name_of_text(text_of_name(name)) == name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("-inf")}])
def test_what_json_cannot_say_is_refused(value: Json) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_the_published_vectors_hold() -> None:
    """RFC 8785 appendix B and section 3.2.3, retyped."""
    assert canonical_json([333333333.33333329, 1e30, 4.50, 2e-3, 1e-27]) == b"[333333333.3333333,1e+30,4.5,0.002,1e-27]"
    assert canonical_json({"\u20ac": "Euro Sign", "\r": "CR", "1": "One"}) == '{"\\r":"CR","1":"One","€":"Euro Sign"}'.encode()


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "0" * 64, "sha256:" + "0" * 63])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestMalformed):
        parse_digest(text)


def test_a_descriptor_survives_its_json() -> None:
    descriptor = Descriptor("text/plain", digest_bytes(b"hi"), 2)
    assert Descriptor.from_json(descriptor.to_json()) == descriptor
    with pytest.raises(DigestMalformed):
        Descriptor.from_json({"mediaType": "text/plain", "digest": "sha256:zz", "size": 2})


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_key_that_comes_twice_is_refused_by_name(text: str) -> None:
    with pytest.raises(NotCanonical, match="the key 'a' comes twice"):
        parse_json(text)


def test_a_value_too_deep_to_walk_is_not_canonical() -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotCanonical, match="too deep"):
        canonical_json(deep)
    while isinstance(deep, list) and deep:  # freed level by level: Python would recurse
        deep = deep[0]
