"""A change of code in lines and commits, of an environment in packages, of a pipeline in steps."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, cast

from shipway.environment import parse_lock
from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, Digest
from shipway.release._described import Described, Look, changed_values, counted, cut, listed, object_of
from shipway.release._trees import TreeChange, compare_trees
from shipway.store import Store, TreeFile

_ALIGNED = 5_000  # lines of a file up to which they are aligned; longer ones are compared as a multiset of lines
_TEXT = 2_000_000  # bytes of a file up to which it is read at all
HUNKS = 20  # lines of detail below which only counts are shown: a hunk of six lines says nothing


class _Edit(NamedTuple):
    """A file that differs; source None: new, target None: gone."""

    path: str
    source: TreeFile | None
    target: TreeFile | None


class _Told(NamedTuple):
    """What there is to say of one file."""

    words: str
    plus: int = 0
    minus: int = 0
    hunks: tuple[str, ...] = ()


def describe_code(look: Look, source: Digest, target: Digest) -> Described:
    """Files with the lines that came and went, and where room is given, the lines themselves."""
    before, after = (look.store.get(digest, "code") for digest in (source, target))
    roots = [Descriptor.from_json(record["root"]).digest for record in (before, after)]
    told = [_file(look, edit) for edit in _edits(compare_trees(look.store, *roots))]
    words = [one.words for one in told] + changed_values({"entry": before["entry"]}, {"entry": after["entry"]})
    facts = {"files": len(told), "added": sum(one.plus for one in told), "removed": sum(one.minus for one in told)}
    return Described(listed(words), cut((line for one in told for line in one.hunks), look.lines), facts)


def _edits(change: TreeChange) -> list[_Edit]:
    edits = [_Edit(file.path, None, file) for file in change.added]
    edits += [_Edit(file.path, file, None) for file in change.removed]
    edits += [_Edit(pair.source.path, pair.source, pair.target) for pair in change.changed]
    return sorted(edits, key=lambda edit: edit.path)


def _file(look: Look, edit: _Edit) -> _Told:
    path, old, new = edit
    if old and new and old.digest == new.digest:
        return _Told(f"{path} {'is executable' if new.executable else 'is not executable any more'}")
    before, after = _lines(look.store, old), _lines(look.store, new)
    if before is None or after is None:
        return _Told(f"{path} " + " -> ".join(f"{file.size:,} bytes" if file else "none" for file in (old, new)))
    plus, minus = count_lines(before, after)
    hunks = unified(before, after, path) if look.lines > HUNKS else []
    return _Told(f"{path} +{plus} -{minus}", plus, minus, tuple(hunks))


def _lines(store: Store, file: TreeFile | None) -> list[str] | None:
    """The lines of a text; None for what is none, or too large to be looked at."""
    if file is None:
        return []
    if file.size > _TEXT:
        return None
    data = store.objects.get(file.digest)
    return None if b"\0" in data else data.decode("utf-8", "replace").splitlines()


def count_lines(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many lines came and how many went."""
    if max(len(old), len(new)) > _ALIGNED:
        before, after = Counter(old), Counter(new)
        return (after - before).total(), (before - after).total()
    diff = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    plus, minus = (sum(1 for line in diff if line.startswith(sign)) for sign in "+-")
    return plus, minus


def unified(old: list[str], new: list[str], name: str) -> list[str]:
    """The hunks of a text; none for one that is too long to be aligned."""
    if max(len(old), len(new)) > _ALIGNED:
        return []
    return list(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", n=3, lineterm=""))


def describe_environment(look: Look, source: Digest, target: Digest) -> Described:
    """Packages that changed, came and went, and another Python or runner."""
    before, after = (look.store.get(digest, "environment") for digest in (source, target))
    old, new = (_pins(look.store, record["lock"]) for record in (before, after))
    words = changed_values(old, new)
    facts = {"packages": len(words)}
    plain = ({key: value for key, value in record.items() if key != "lock"} for record in (before, after))
    words = changed_values(*plain) + words
    if not words and before != after:
        words = ["other files or hashes of the same packages"]
    return Described(listed(words, 8), cut(words[8:], look.lines, noun="package"), facts)


def _pins(store: Store, lock: Json) -> dict[str, Json]:
    data = store.objects.get(Descriptor.from_json(lock).digest)
    return {pin.name: pin.version for pin in parse_lock(data)}


def describe_pipeline(look: Look, source: Digest, target: Digest) -> Described:
    """Parameters with both values, and the steps that came, went, do something else or gave something else."""
    before, after = (look.store.get(digest, "pipeline") for digest in (source, target))
    words = [f"parameter {text}" for text in changed_values(*(object_of(record["parameters"]) for record in (before, after)))]
    old, new = (_steps(record["steps"]) for record in (before, after))
    words += [f"+step {name}" for name in sorted(new.keys() - old.keys())]
    words += [f"-step {name}" for name in sorted(old.keys() - new.keys())]
    both = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    if both:
        words.append(f"{counted(len(both), 'step')} run again: {listed(both)}")
    return Described(listed(words, 8), (), {"steps": len(old.keys() ^ new.keys()) + len(both)})


def _steps(value: Json) -> dict[str, Json]:
    return {str(step["name"]): cast("Json", step) for step in cast("list[Mapping[str, Json]]", value)}
