"""What only the store in Milvus does: half-written collections are seen, aliases are guarded, a down server is one error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores_help import need, some, unit_vectors, version_of

need("milvus")

from pymilvus import MilvusClient  # noqa: E402

from shipway.kernel.errors import ShipwayError  # noqa: E402
from shipway.rag.milvus import MilvusStore  # noqa: E402

V = version_of("v")


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "index.db")


@pytest.fixture
def store(file: str) -> Iterator[MilvusStore]:
    opened = MilvusStore(file, project="tests")
    yield opened
    opened.close()


def collections(file: str) -> list[str]:
    client = MilvusClient(uri=file)
    names = [str(name) for name in client.list_collections() if str(name).startswith("rag_")]
    client.close()
    return names


def test_a_collection_without_its_line_in_the_registry_does_not_count_and_is_written_again(
    store: MilvusStore, file: str
) -> None:
    store.write(V, some(5), unit_vectors(5, 4))
    (name,) = collections(file)
    client = MilvusClient(uri=file)
    client.delete("shipway_rag", ids=[name])  # as a writer leaves it who was killed before the last step
    client.delete(name, ids=[0, 1, 2])
    again = MilvusStore(file, project="tests")
    assert not again.has(V)
    with pytest.raises(ShipwayError) as missing:
        again.dense(V, unit_vectors(1, 4)[0], 3, None)
    assert missing.value.code == "rag.index-missing"
    again.write(V, some(5), unit_vectors(5, 4))
    assert sorted(hit.number for hit in again.dense(V, unit_vectors(1, 4)[0], 9, None)) == [0, 1, 2, 3, 4]
    again.close()
    client.close()


def test_a_version_whose_collection_somebody_dropped_is_missing_and_not_empty(store: MilvusStore, file: str) -> None:
    store.write(V, some(5), unit_vectors(5, 4))
    client = MilvusClient(uri=file)
    (name,) = collections(file)
    client.drop_collection(name)
    client.close()
    assert not store.has(V)
    with pytest.raises(ShipwayError) as missing:
        store.dense(V, unit_vectors(1, 4)[0], 3, None)
    assert missing.value.code == "rag.index-missing"


def test_a_version_that_an_alias_points_to_is_not_dropped(store: MilvusStore, file: str) -> None:
    store.write(V, some(5), unit_vectors(5, 4))
    client = MilvusClient(uri=file)
    (name,) = collections(file)
    client.create_alias(name, "prod")
    with pytest.raises(ShipwayError) as refused:
        store.drop(V)
    assert refused.value.code == "rag.store-refused"
    assert store.has(V)
    client.drop_alias("prod")
    client.close()
    store.drop(V)
    assert collections(file) == []


def test_two_projects_in_one_milvus_do_not_see_each_other(store: MilvusStore, file: str) -> None:
    store.write(V, some(3), unit_vectors(3, 4))
    other = MilvusStore(file, project="others")
    assert not other.has(V)
    other.close()


def test_a_text_that_milvus_cannot_hold_is_refused_before_anything_is_written(store: MilvusStore, file: str) -> None:
    rows = some(3)
    rows[2] = type(rows[2])(**{**{name: getattr(rows[2], name) for name in rows[2].__slots__}, "text": "ü" * 40_000})
    with pytest.raises(ShipwayError) as refused:
        store.write(V, rows, unit_vectors(3, 4))
    assert refused.value.code == "rag.store-limit"
    assert "80000 bytes" in refused.value.render()
    assert collections(file) == []


def test_a_server_that_is_down_is_one_clear_error_worth_a_retry_without_the_token() -> None:
    store = MilvusStore("http://127.0.0.1:9", project="p", token="ann:hidden", timeout=1)
    with pytest.raises(ShipwayError) as down:
        store.has(V)
    assert (down.value.code, down.value.retry) == ("rag.store-down", True)
    assert "hidden" not in down.value.render()
    store.close()


def test_a_file_that_another_process_has_open_is_one_clear_error(file: str) -> None:
    code = (
        "import sys, time; from pymilvus import MilvusClient; MilvusClient(uri=sys.argv[1]).list_collections();"
        " print('open', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, file], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        store = MilvusStore(file, project="p")
        with pytest.raises(ShipwayError) as down:
            store.has(V)
        assert (down.value.code, down.value.retry) == ("rag.store-down", True)
        holder.kill()
    assert not store.has(V)
    store.close()
