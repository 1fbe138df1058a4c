"""Child releases: the same application with one component replaced, as a deployment that follows a ref takes it."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.release._manifest import Component, ReleaseMalformed, find_component, load_components, put_release
from shipway.store import Store


def child_release(store: Store, release: Digest, kind: str, name: str, digest: Digest) -> Digest:
    """The release with its component `kind` `name` replaced by this object, and nothing else; no ref moves.

    The same digest comes back when that is what it holds already. Raises ReleaseMalformed (the release has no such component,
    the object is of another kind, or a prompt asks for a provider or an index that the release does not hold).
    """
    parts = load_components(store, release)
    old, new = find_component(parts, kind, name), Component(kind, name, digest)
    wanted = "snapshot" if kind == "data" else kind
    found = store.get(digest).get("kind")
    if found != wanted:
        raise ReleaseMalformed(f"{short(digest)} is a {found}, and stands in no place of a {kind}", where=digest)
    changed = tuple(new if part == old else part for part in parts)
    if kind == "prompt":
        _check_parts(store, digest, changed)
    return put_release(store, list(changed))


def asked_parts(record: JsonObject, prompt: Digest) -> tuple[str, str | None, int | None]:
    """The provider, the index and the number of passages that a prompt names. Raises ReleaseMalformed."""
    provider, retrieve = record.get("provider"), record.get("retrieve", False)
    if isinstance(provider, str) and retrieve is None:
        return provider, None, None
    index, passages = (retrieve.get(key) for key in ("index", "passages")) if isinstance(retrieve, Mapping) else (None, None)
    if not isinstance(provider, str) or not isinstance(index, str) or type(passages) is not int:
        raise ReleaseMalformed(f"{short(prompt)} is no prompt that a release can hold", where=prompt, mend="shipway prompt put")
    return provider, index, passages


def _check_parts(store: Store, prompt: Digest, parts: tuple[Component, ...]) -> None:
    """Whether the release holds what the prompt names."""
    provider, index, _ = asked_parts(store.get(prompt, "prompt"), prompt)
    held = {(part.kind, part.name) for part in parts}
    for kind, name in [("provider", provider)] + ([("index", index)] if index else []):
        if (kind, name) not in held:
            what = f"the prompt {short(prompt)} asks for {kind} {name}, which the release does not hold"
            raise ReleaseMalformed(what, where=prompt, mend="shipway release, which takes both")
