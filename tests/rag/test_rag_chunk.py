from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shipway.kernel.digest import digest_bytes
from shipway.rag import Chunk, chunk_document, embedded_text

REST = b"""\
=====
Title
=====

Intro.

First
-----

Paragraph one.

Paragraph two::

    code()

    more_code()

.. _label:

Deeper
~~~~~~

Text.

Second
------
Tight text.
"""

MARKDOWN = b"""\
---
title: not a heading
---
# Guide #

Hello.

```python
# not a heading

x = 1
```

Setup
-----

- a list
---
Done.

## Empty
"""

HTML = b"""<html><head><title>no</title></head><body><nav>menu</nav>
<h1>Guide &amp; more</h1><p>Hello <b>big</b>
world.</p><script>var x = "<p>no</p>";</script>
<h2>Code</h2><pre>a = 1
b = 2</pre><ul><li>one</li><li>two &lt;three&gt;</li></ul></body></html>"""


def cut(data: bytes, form: str = "rest", characters: int = 1000) -> list[tuple[str, str]]:
    return [(chunk.heading, chunk.text) for chunk in chunk_document(data, form=form, characters=characters)]


def test_restructured_text_is_cut_at_its_headings_and_labels_are_no_text() -> None:
    assert cut(REST) == [
        ("Title", "Intro."),
        ("Title > First", "Paragraph one.\n\nParagraph two::\n\n    code()\n\n    more_code()"),
        ("Title > First > Deeper", "Text."),
        ("Title > Second", "Tight text."),
    ]


def test_markdown_is_cut_at_its_headings_outside_of_code_and_front_matter() -> None:
    assert cut(MARKDOWN, "markdown") == [
        ("", "---\ntitle: not a heading\n---"),
        ("Guide", "Hello.\n\n```python\n# not a heading\n\nx = 1\n```"),
        ("Guide > Setup", "- a list\n---\nDone."),
        ("Guide", "## Empty"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        b"<html><head><title>no</title><body><p>Text that counts.</p></body></html>",
        b"<html><head><title>no</title><p>Text that counts.</p></html>",
        b"<html><head><title>no</title>Text that counts.</html>",
        b"<html><head><title>no<body><p>Text that counts.</p></html>",
        b"<head><script>var no = '<p>';</script><link rel=x><meta name=y><div>Text that counts.</div>",
        b"<nav>no</nav><p>Text that counts.</p><script>no",
    ],
)
def test_a_page_whose_head_is_not_closed_is_read(page: bytes) -> None:
    assert cut(page, "html") == [("", "Text that counts.")]


@pytest.mark.parametrize("tag", ["nav", "svg", "object", "noscript"])
def test_a_silent_element_without_an_end_is_read_and_closed_ones_are_not(tag: str) -> None:
    page = f"<body><nav>menu</nav><h1>Title</h1><{tag}>crumbs<p>Text that counts.</p><nav>foot</nav></body>".encode()
    ((heading, text),) = cut(page, "html")
    assert heading == "Title"
    assert text.endswith("Text that counts.")
    assert "menu" not in text
    assert "foot" not in text


def test_html_gives_its_text_with_the_span_of_the_page_it_stands_in() -> None:
    chunks = chunk_document(HTML, form="html", characters=1000)
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("Guide & more", "Hello big world."),
        ("Guide & more > Code", "a = 1\nb = 2\n\none\n\ntwo <three>"),
    ]
    assert HTML[chunks[0].start : chunks[0].end] == b"Hello <b>big</b>\nworld."
    assert HTML[chunks[1].start : chunks[1].end].startswith(b"a = 1")
    assert b"two &lt;three&gt;" in HTML[chunks[1].start : chunks[1].end]


def test_a_chunk_is_named_by_what_is_embedded_so_that_a_renamed_heading_is_embedded_anew() -> None:
    (first,) = chunk_document(b"Old\n===\n\nBody.\n", form="rest", characters=100)
    (second,) = chunk_document(b"New\n===\n\nBody.\n", form="rest", characters=100)
    (moved,) = chunk_document(b"\n\n\nOld\n===\n\nBody.\n", form="rest", characters=100)
    assert first.digest == digest_bytes(embedded_text("Old", "Body.").encode())
    assert first.digest != second.digest
    assert moved.digest == first.digest
    assert moved.start == first.start + 3


def test_paragraphs_are_packed_and_a_change_in_one_section_leaves_the_others() -> None:
    paragraphs = [f"Paragraph {number} " + "x" * 30 + "." for number in range(10)]
    body = "\n\n".join(paragraphs)
    before = chunk_document(f"A\n=\n\n{body}\n\nB\n=\n\n{body}\n".encode(), form="rest", characters=100)
    after = chunk_document(f"A\n=\n\nNew. {body}\n\nB\n=\n\n{body}\n".encode(), form="rest", characters=100)
    assert all(len(chunk.text) <= 100 for chunk in before)
    assert len(before) == 10
    assert {chunk.digest for chunk in before if chunk.heading == "B"} == {
        chunk.digest for chunk in after if chunk.heading == "B"
    }


def test_a_code_block_stays_whole_until_it_is_twice_too_long_and_is_then_cut_at_lines() -> None:
    code = "\n".join(f"    line_{number} = {number}" for number in range(10))
    (whole,) = cut(f"Look::\n\n{code}\n".encode(), characters=120)
    assert whole[1].endswith("line_9 = 9")
    parts = cut(f"Look::\n\n{code}\n".encode(), characters=60)
    assert len(parts) > 1
    assert all(line.strip().startswith(("line_", "Look")) for _, text in parts for line in text.splitlines() if line.strip())


def test_a_byte_order_mark_and_carriage_returns_do_not_shift_a_span() -> None:
    data = "\ufeffTitle\r\n=====\r\n\r\nBödy one.\r\n\r\nTwo.\r\n".encode()
    (chunk,) = chunk_document(data, form="rest", characters=100)
    assert (chunk.heading, chunk.text) == ("Title", "Bödy one.\r\n\r\nTwo.")
    assert data[chunk.start : chunk.end].decode() == chunk.text


def test_a_document_without_text_has_no_chunk_and_one_of_a_heading_alone_has_that() -> None:
    assert cut(b" \n\n\t") == []
    assert cut(b"Only\n====\n") == [("", "Only")]
    assert cut(b"<h1>Only <b>this</b></h1>", "html") == [("", "Only this")]


LINES = st.sampled_from(
    [
        "",
        "",
        "Word and word.",
        "====",
        "----",
        "# Head",
        "## Sub",
        "```",
        "    indented",
        "Look::",
        ".. _x:",
        "ü ß 漢字 🙂",
        "\ufeff",
        "a\r",
        "x" * 90,
    ]
)
TEXTS = st.one_of(st.text(max_size=400), st.lists(LINES, max_size=30).map("\n".join))


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, form=st.sampled_from(["rest", "markdown"]), characters=st.integers(50, 200))
def test_spans_are_exact_in_order_without_overlap_and_not_too_long(text: str, form: str, characters: int) -> None:
    data = text.encode()
    chunks = chunk_document(data, form=form, characters=characters)
    assert chunks == chunk_document(data, form=form, characters=characters)
    at = 0
    for chunk in chunks:
        assert data[chunk.start : chunk.end].decode() == chunk.text
        assert chunk.start >= at
        assert chunk.text.strip()
        assert len(chunk.text) <= 2 * characters
        at = chunk.end


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="ab .\n\tü", max_size=600), form=st.sampled_from(["rest", "markdown"]))
def test_without_headings_every_character_of_the_text_is_in_a_chunk(text: str, form: str) -> None:
    # a rule of dots makes the line above it a heading, for docutils too
    assume(not re.search(r"^\.\.+\s*$", text, re.MULTILINE))
    data = text.encode()
    left = bytearray(data)
    for chunk in chunk_document(data, form=form, characters=60):
        left[chunk.start : chunk.end] = b" " * (chunk.end - chunk.start)
    assert not left.strip()


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(["<p>", "</p>", "<h2>", "</h2>", "<pre>", "<script>", "text", "&amp;", "<", "\n", "<!--"]),
            max_size=30,
        ).map("".join),
    )
)
def test_any_text_is_taken_as_html_without_an_error_and_spans_stay_inside(text: str) -> None:
    data = text.encode()
    chunks: tuple[Chunk, ...] = chunk_document(data, form="html", characters=80)
    assert all(0 <= chunk.start <= chunk.end <= len(data) for chunk in chunks)


def test_what_is_not_utf8_is_an_error_of_the_caller() -> None:
    with pytest.raises(UnicodeDecodeError):
        chunk_document(b"\xff", form="rest", characters=100)
