"""Which store an index is searched in, as a spec or a gateway's file says it."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.errors import ShipwayError
from shipway.llm import secret_value
from shipway.rag._types import IndexStore

STORES = ("local", "pgvector", "milvus")


class BackendUnknown(ShipwayError):
    """An index is to be searched in a store that there is no adapter for, or that has no address."""

    code = "rag.backend-unknown"


def open_backend(
    kind: str, url: str | None, *, project: str, environ: Mapping[str, str], key: str | None = None
) -> IndexStore | None:
    """None for the project's own store. url: an address, or a secret that holds one; key: a secret with the password.

    Raises BackendUnknown, SecretMissing. It connects when it is first used.
    """
    if kind == "local":
        return None
    if url is None or kind not in STORES:
        what = f"no index can be searched in {kind!r}" + ("" if url else " without an address")
        raise BackendUnknown(what, where=kind, mend="store: local, or pgvector or milvus with its url")
    address = secret_value(url, environ) if url.startswith("secret://") else url
    password = secret_value(key, environ) if key else None
    if kind == "pgvector":
        from shipway.rag.pgvector import PgvectorStore

        return PgvectorStore(address, project=project, password=password)
    from shipway.rag.milvus import MilvusStore

    return MilvusStore(address, project=project, token=password or "")
