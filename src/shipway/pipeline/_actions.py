"""The action cache: the same code on the same inputs in the same environment is not run twice.

An action is named by the digest of what determines its value; its result is a row of state, believed only while the
bytes it names are in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.pipeline._types import Input, InputKind, Step
from shipway.store import TREE, ObjectDamaged, ObjectMissing, StateConflict, Store

STATE_KIND = "action"


class Cached(NamedTuple):
    """The value that an action gave, and the seconds that it took then."""

    output: Descriptor
    seconds: float


def action_key(step: Step, *, closure: Digest, inputs: Mapping[str, JsonObject], environment: Digest, runner: str) -> Digest:
    """The digest of `{"kind":"action","version":1,...}`; `inputs` as input_record gives them, by argument."""
    record: JsonObject = {
        "kind": "action", "version": 1, "step": step.name, "closure": closure, "codec": step.codec,
        "inputs": inputs, "environment": environment, "runner": runner,
    }  # fmt: skip
    return digest_bytes(canonical_json(record))


def input_record(given: Input, *, data: Mapping[str, Digest], outputs: Mapping[str, Descriptor]) -> JsonObject:
    """An input by its content: `{"data": digest}`, `{"step": digest of its output}`, `{"parameter"` or `"item": value}`."""
    return {given.kind.value: _content(given, data, outputs)}


def find_result(store: Store, action: Digest) -> Cached | None:
    """The result of an action that ran before, unless bytes of its output are gone."""
    row = store.state(STATE_KIND, action)
    if row is None:
        return None
    output = Descriptor.from_json(row.value["output"])
    return Cached(output, float(str(row.value["seconds"]))) if _is_whole(store, output) else None


def record_result(store: Store, action: Digest, *, step: str, output: Descriptor, seconds: float) -> None:
    """Remember a result whose output is in the store; its bytes reach the disk before the row does."""
    store.put_state(STATE_KIND, action, {"output": output.to_json(), "seconds": seconds, "step": step})


def record_first(store: Store, action: Digest, *, step: str, output: Descriptor, seconds: float) -> Cached:
    """Remember a result unless another process has recorded a whole one meanwhile; what is remembered is what is given.

    So two processes that make a step at once go on with one value, also when the step gives another one each time.
    """
    row = store.state(STATE_KIND, action)
    if found := find_result(store, action):
        return found
    value: JsonObject = {"output": output.to_json(), "seconds": seconds, "step": step}
    try:
        store.put_state(STATE_KIND, action, value, expected=row.version if row else 0)
    except StateConflict:
        if found := find_result(store, action):
            return found
        store.put_state(STATE_KIND, action, value)
    return Cached(output, seconds)


def _content(given: Input, data: Mapping[str, Digest], outputs: Mapping[str, Descriptor]) -> Json:
    if given.kind is InputKind.DATA:
        return data[str(given.value)]
    return outputs[str(given.value)].digest if given.kind is InputKind.STEP else given.value


def _is_whole(store: Store, output: Descriptor) -> bool:
    """Whether the output is in the store with its size; of a folder, all its files. Only there: reading verifies."""
    if not store.objects.keeps(output.digest, output.size):
        return False
    if output.media_type != TREE:
        return True
    try:
        return all(store.objects.keeps(file.digest, file.size) for file in store.tree(output.digest))
    except (ObjectMissing, ObjectDamaged):
        return False
