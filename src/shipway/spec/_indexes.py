"""The `indexes:` section: where documents lie, how they are cut and embedded, where they are searched, who may see them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from shipway.spec._fields import choice, count, fields, named, text, texts
from shipway.spec._names import declared, name_of
from shipway.spec._node import Node

STORES = ("local", "pgvector", "milvus")
MINILM = "minilm"
_PASSWORD = re.compile(r"://[^@]*:[^@]*@|password\s*=|token\s*=", re.IGNORECASE)
_LEAST_CHUNK = 50  # characters; shorter than a sentence nothing can be found by its meaning


class IndexSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Documents to retrieve from.

    source: a folder or file (relative to the spec, absolute or elsewhere); include: globs below it; store: where versions are
    searched, with its url unless local; embedder: `minilm` or a provider; chunk: characters at most; access: glob of
    documents -> the groups that may see them, everybody where no glob fits.
    """

    name: str
    source: str
    include: tuple[str, ...] = ("**/*",)
    store: str = "local"
    url: str | None = None
    embedder: str = MINILM
    chunk: int = 1000
    access: Mapping[str, tuple[str, ...]] = {}


def read_index(key: Node, node: Node, *, providers: Collection[str]) -> IndexSpec:
    name = name_of(key, "an index")
    what = f"index {name}"
    if not isinstance(node.value, dict):
        return IndexSpec(name=name, source=text(node, f"the source of {what}"))
    entries = fields(node, ("source", "include", "store", "url", "embedder", "chunk", "access"), what)
    if "source" not in entries:
        raise key.fail(f"{what} has no source", mend="source: FOLDER_OR_FILE")
    store = choice(entries["store"], f"the store of {what}", STORES) if "store" in entries else "local"
    return IndexSpec(
        name=name,
        source=text(entries["source"], f"the source of {what}"),
        include=_include(entries["include"], what) if "include" in entries else ("**/*",),
        store=store,
        url=_url(key, entries.get("url"), store, what),
        embedder=declared(entries["embedder"], "embedder", (MINILM, *providers)) if "embedder" in entries else MINILM,
        chunk=count(entries["chunk"], f"the chunk of {what}", least=_LEAST_CHUNK) if "chunk" in entries else 1000,
        access=named(entries.get("access"), f"the access of {what}", lambda glob, groups: _groups(glob, groups, what)),
    )


def _include(node: Node, what: str) -> tuple[str, ...]:
    globs = texts(node, f"include of {what}")
    if not globs:
        raise node.fail(f"{what} includes nothing", mend='globs of its documents, as in ["**/*.md"]')
    for item in node.value if isinstance(node.value, list) else [node]:
        _check_glob(item, f"include of {what}")
    return globs


def _groups(glob: Node, node: Node, what: str) -> tuple[str, ...]:
    _check_glob(glob, f"access of {what}")
    groups = texts(node, f"access of {what}")
    if not groups:  # an empty list is how a chunk says that everybody may see it
        raise node.fail(f"access of {what} names no group", mend="the groups that may see it, as in [staff]")
    return groups


def _check_glob(node: Node, what: str) -> None:
    """Globs stay below the source."""
    glob = text(Node(node.raw, node.where, raw=node.raw), what)
    if glob.startswith(("/", "~")) or "\\" in glob or ".." in glob.split("/"):
        raise node.fail(f"{what} leaves the source: {node.shown()}", mend="a glob below it, as in internal/**")


def _url(key: Node, node: Node | None, store: str, what: str) -> str | None:
    if node is None:
        if store != "local":
            raise key.fail(
                f"{what} does not say where its {store} is", mend="url: secret://env/NAME, or an address without password"
            )
        return None
    if store == "local":
        raise node.fail(f"{what} is local: it has no url", mend="store: pgvector or milvus, or remove the url")
    if isinstance(node.value, str) and _PASSWORD.search(node.value):  # not repeated: it holds a secret
        raise node.fail(f"the url of {what} holds a password", mend="url: secret://env/NAME, and the url in that variable")
    return text(node, f"the url of {what}")
