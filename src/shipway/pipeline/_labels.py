"""The names of refs of data sets, and which of them are never moved again."""

from __future__ import annotations

import re

from shipway.data import LabelTaken
from shipway.pipeline._hands import Hands

TAG = "tag"  # state rows: refs that are never moved again, by the ref
_LABEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def label_ref(name: str, label: str | None) -> str:
    """`data/NAME`, or the ref of one of its labels. Raises LabelTaken for a label that no ref can have."""
    if label in (None, "", "approved"):
        return f"data/{name}"
    if not _LABEL.fullmatch(str(label)):
        mend = "small letters, digits, `.`, `_` and `-`, at most 64"
        raise LabelTaken(f"{label} cannot be the name of a branch or a tag", where=f"data/{name}", mend=mend)
    return f"data/{name}@{label}"


def check_branch(hands: Hands, ref: str) -> None:
    """Raise LabelTaken when a ref is a tag, which stays where it is."""
    if hands.store.state(TAG, ref):
        raise LabelTaken(f"{ref} is a tag, and a tag stays where it is", where=ref, mend="move a branch: shipway data branch")
