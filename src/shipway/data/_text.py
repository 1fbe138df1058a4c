"""A column of texts as numbers: its descriptors, of which each is profiled and judged as any other column.

Words are runs of letters and digits, in lower case. Which words the reference has is kept as a set of hashes, so that what
people wrote cannot be read out of it; words that share a hash are one.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from shipway.data._columns import Numbers
from shipway.data._histogram import BINS
from shipway.kernel.canonical import JsonObject

if TYPE_CHECKING:
    import polars as pl

TEXT_NAMES = ("length", "words", "sentences", "non_letters", "unknown_words", "link")
_HASHES = 1 << 16
_MOST_KNOWN = _HASHES // 8  # hashes of known words: a new word is taken for a known one in an eighth of the cases at most
_DISTINCT, _FEW = 1_000, 50  # distinct values above which words may be texts, and below which they never are
_WORDS_OF_A_TEXT = 2.0  # more, on average, or it is a name
_LOOKED = 10_000  # rows that are looked at to tell a text

_WORD = r"[\p{L}\p{N}]+"
_SENTENCE_END = r"[.!?。！？]+(?:\s|$)"
_LINK = r"(?i)\b(?:https?://|www\.)\S"
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextRule:
    """What a reference fixes for a column of texts. known: (65,536,) bits, one for each hash of a word that it has."""

    known: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The descriptors, in their order."""
        return TEXT_NAMES

    @property
    def bins(self) -> int:
        """Bins of each descriptor."""
        return BINS

    def measure(self, texts: pl.Series) -> dict[str, Numbers]:
        """The descriptors of a window. A null text is null in each; a text without a word has no share of unknown ones."""
        bits = np.unpackbits(np.frombuffer(self.known, dtype=np.uint8)).astype(bool)
        words = _words_of(texts)
        return _described(texts, words, ~bits[words.hashes])

    def to_json(self) -> JsonObject:
        """As a profile of a reference keeps it."""
        return {"type": "text", "known": b64encode(self.known).decode()}


def text_from_json(record: JsonObject) -> TextRule:
    """The inverse of to_json. Raises KeyError, TypeError, ValueError."""
    known = b64decode(str(record["known"]), validate=True)
    if len(known) != _HASHES // 8:
        raise ValueError(f"expected {_HASHES} bits of known words")
    return TextRule(known)


def is_text(values: pl.Series) -> bool:
    """Whether words are texts and no categories: more than two words each, and more than 1,000 distinct values, or more than 50
    that are most of the rows.
    """
    held = values.drop_nulls()
    distinct = held.n_unique() if len(held) > _FEW else 0
    if distinct <= _FEW or (distinct <= _DISTINCT and 2 * distinct <= len(held)):
        return False
    mean = held.head(_LOOKED).str.count_matches(r"\S+").mean()
    return isinstance(mean, float) and mean > _WORDS_OF_A_TEXT


def reference_texts(texts: pl.Series) -> tuple[TextRule, dict[str, Numbers]]:
    """The rule that the texts of a reference fix, and their own descriptors.

    Known are the words of so many texts that no more than _MOST_KNOWN hashes are. Whether a text of the reference has an
    unknown word is asked of the other texts: its own words would all be known, and every later text would seem to drift.
    """
    words = _words_of(texts)
    row_of = np.repeat(np.arange(words.counts.size), words.counts)
    pairs = np.unique(row_of * _HASHES + words.hashes)
    held_by = np.bincount(pairs % _HASHES, minlength=_HASHES)  # texts
    least = 1
    while int((held_by >= least).sum()) > _MOST_KNOWN:
        least += 1
    rule = TextRule(np.packbits(held_by >= least).tobytes())
    return rule, _described(texts, words, held_by[words.hashes] - 1 < least)


class _Words(NamedTuple):
    """counts: (texts without the nulls,) words of each; hashes: (words,) of all in their order."""

    counts: Ints
    hashes: Ints


def _words_of(texts: pl.Series) -> _Words:
    import polars as pl

    found = texts.drop_nulls().str.to_lowercase().str.extract_all(_WORD)
    flat = found.filter(found.list.len() > 0).explode().rename("word").to_frame()
    distinct = flat["word"].unique()
    hashes = [crc32(word.encode("utf-8", "replace")) & (_HASHES - 1) for word in distinct.to_list()]
    named = pl.DataFrame({"word": distinct, "hash": pl.Series(hashes, dtype=pl.Int64)})
    joined = flat.join(named, on="word", how="left", maintain_order="left")
    return _Words(found.list.len().cast(pl.Int64).to_numpy(), joined["hash"].to_numpy())


def _described(texts: pl.Series, words: _Words, unknown: NDArray[np.bool_]) -> dict[str, Numbers]:
    import polars as pl

    text = pl.col("text")
    length = text.str.len_chars()
    frame = texts.drop_nulls().rename("text").to_frame()
    counted = frame.select(
        length=length,
        words=text.str.count_matches(r"\S+"),
        sentences=text.str.count_matches(_SENTENCE_END),
        non_letters=text.str.count_matches(r"[^\p{L}\s]") / length,
        link=text.str.contains(_LINK),
    )
    row_of = np.repeat(np.arange(words.counts.size), words.counts)
    missed = np.bincount(row_of, weights=unknown, minlength=words.counts.size)
    with np.errstate(invalid="ignore"):
        columns = {name: counted[name].cast(pl.Float64).to_numpy() for name in counted.columns}
        columns["unknown_words"] = missed / words.counts
    return {name: Numbers(columns[name], texts.null_count()) for name in TEXT_NAMES}
