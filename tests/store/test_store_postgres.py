"""PostgreSQL as catalogue: versions, lost connections, and an address that nobody gets to see."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_help import REF, Place, move, new_place, new_schema, postgres_url, restore_old, restore_old_postgres, thing

from shipway.kernel.errors import ShipwayError
from shipway.store import (
    CatalogueAddress,
    CatalogueDown,
    CatalogueOther,
    CatalogueRefused,
    Store,
    StoreBusy,
    StoreMissing,
    StoreNewer,
    open_store,
)

SECRET = "hunter2"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with new_place("postgres", tmp_path) as found:
        yield found


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


def admin(sql: str, place: Place | None = None) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect((place and place.url) or postgres_url(), autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        found = cursor.fetchall() if cursor.description else []
    connection.close()
    return found


def cut_off() -> None:
    """End every connection of ours, as a restart of the server does."""
    admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shipway'")


def test_a_catalogue_one_version_older_is_migrated_with_all_it_holds(tmp_path: Path) -> None:
    url = restore_old_postgres(tmp_path)
    store = open_store(tmp_path, "flights", catalogue=url)
    moves = store.lives(REF)
    assert [record.id for record in moves] == [5, 4, 3, 2, 1]
    assert [bool(record.release) for record in moves] == [True, False, True, True, True]
    assert len(store.lives(REF, moves[2].release)) == 2
    assert len(store.history()) == 9
    move(store, "model/delay", thing(store, 1))
    assert store.history()[0].id == 10
    store.close()


def test_a_catalogue_one_version_newer_is_refused(place: Place) -> None:
    place.open()
    admin("UPDATE alembic_version SET version_num = '9999'", place)
    with pytest.raises(StoreNewer):
        open_store(place.root, "flights", catalogue=place.url)


def test_a_migration_that_is_cut_off_leaves_the_old_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the connection when rows are being filled in, after the tables were changed."""
    url = restore_old_postgres(tmp_path)
    real = json.loads

    def cut(data: bytes) -> object:
        monkeypatch.undo()
        cut_off()
        return real(data)

    with monkeypatch.context():
        monkeypatch.setattr(json, "loads", cut)
        with pytest.raises(CatalogueDown):
            open_store(tmp_path, "flights", catalogue=url)
    found = Place(tmp_path, url, [])
    assert admin("SELECT version_num FROM alembic_version", found) == [("0001",)]
    assert admin("SELECT 1 FROM pg_attribute WHERE attrelid = 'audit'::regclass AND attname = 'release'", found) == []
    store = open_store(tmp_path, "flights", catalogue=url)
    assert len(store.lives(REF)) == 5
    store.close()


@pytest.mark.parametrize("old", [True, False])
def test_processes_that_make_or_migrate_it_at_once_agree(tmp_path: Path, old: bool) -> None:
    url = restore_old_postgres(tmp_path) if old else new_schema()
    code = (
        "import sys; from pathlib import Path; from shipway.store import open_store\n"
        "store = open_store(Path(sys.argv[1]), 'flights', catalogue=sys.argv[2], create=True)\n"
        "print(len(store.history())); store.close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path), url]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for child in children:
        said, errors = child.communicate()
        assert (child.returncode, said.strip()) == (0, "9" if old else "0"), errors


def test_a_connection_lost_between_two_questions_costs_nothing(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    move(store, "model/delay", one)
    cut_off()
    assert store.resolve("model/delay") == one
    cut_off()
    move(store, "model/delay", two, expected=one)
    assert store.resolve("model/delay") == two


def test_a_connection_lost_within_a_move_leaves_the_ref_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = thing(store, 1), thing(store, 2)
    move(store, "model/delay", one)
    real = type(store._writer)._audit

    def cut(*given: object) -> int:
        cut_off()
        return real(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(store._writer), "_audit", cut)
        with pytest.raises(CatalogueDown) as problem:
            move(store, "model/delay", two, expected=one)
    assert problem.value.retry
    assert "whole or not at all" in problem.value.what
    assert store.resolve("model/delay") == one
    assert len(store.history()) == 1
    move(store, "model/delay", two, expected=one)


def test_who_waits_too_long_for_another_writer_is_told(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.store._postgres._LIMITS", "SET LOCAL lock_timeout = '100ms'")
    other = place.open()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with other._writer._transaction():
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with pytest.raises(StoreBusy):
        move(store, "model/delay", thing(store, 1))
    churn = place.open("churn")
    move(churn, "model/delay", thing(churn, 1))  # another project does not wait
    done.set()
    thread.join()
    move(store, "model/delay", thing(store, 1))


def local(rest: str, *, user: str = "postgres", database: str = "postgres") -> str:
    host = postgres_url().partition("host=")[2]
    return f"postgresql://{user}:{SECRET}@/{database}?host={host}{rest}"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"postgresql://ann:{SECRET}@127.0.0.1:9/rows?connect_timeout=2", CatalogueDown),
        (f"postgresql://ann:{SECRET}@no-such-host.invalid/rows", CatalogueDown),
        (f"postgresql://ann:{SECRET}@host:nonsense:{SECRET}/rows?x={SECRET}", CatalogueAddress),
        (f"postgresql://ann:{SECRET}@host/", CatalogueAddress),
        (f"ann:{SECRET}@host/rows", CatalogueAddress),
        (f"mysql://ann:{SECRET}@host/rows", CatalogueAddress),
        ("no such database", CatalogueRefused),
        ("no such user", CatalogueRefused),
        ("no such option", CatalogueAddress),
    ],
)
def test_no_error_shows_the_password(tmp_path: Path, url: str, error: type[ShipwayError]) -> None:
    made = {
        "no such database": lambda: local("", database="nowhere"),
        "no such user": lambda: local("", user="nobody"),
        "no such option": lambda: local(f"&{SECRET}={SECRET}"),
    }
    with pytest.raises(error) as problem:
        open_store(tmp_path, "flights", catalogue=made[url]() if url in made else url, create=True)
    shown, cause = problem.value.render(), problem.value.__cause__
    assert SECRET not in shown
    assert SECRET not in str(cause)
    assert problem.value.__context__ is cause
    assert not (tmp_path / ".shipway").exists()


def test_a_user_who_may_only_read_is_told_so(place: Place) -> None:
    store = place.open()
    move(store, "model/delay", thing(store, 1))
    schema = admin("SELECT quote_ident(current_schema())", place)[0][0]
    admin("DROP ROLE IF EXISTS reader")
    admin(f"CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader", place)
    admin(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader", place)
    assert place.url
    reader = Place(place.root, place.url.replace("postgres:@", "reader:@"), place.opened).open()
    assert len(reader.history()) == 1
    with pytest.raises(CatalogueRefused):
        move(reader, "model/other", thing(reader, 2))


def test_a_store_without_its_catalogue_gives_objects_and_no_rows(place: Place, tmp_path: Path) -> None:
    """An empty history must not take the place of the full one when a variable is forgotten."""
    store = place.open()
    one = thing(store, 1)
    move(store, "model/delay", one)
    alone = open_store(tmp_path, "flights", create=True)
    assert alone.get(one)
    for ask in (
        lambda: alone.refs(),
        lambda: alone.history(),
        lambda: move(alone, "model/delay", one),
        lambda: alone.again().refs(),
    ):
        with pytest.raises(CatalogueOther, match="SHIPWAY_CATALOGUE is not set"):
            ask()
    assert not (tmp_path / ".shipway" / "catalogue.sqlite").exists()


def test_a_store_with_a_catalogue_does_not_take_another(place: Place, tmp_path: Path) -> None:
    place.open()
    assert place.url
    other = place.url.replace("@/postgres?", "@/template1?")
    with pytest.raises(CatalogueOther, match="not in postgresql://local:5432/template1"):
        open_store(tmp_path, "flights", catalogue=other, create=True)
    restore_old(tmp_path / "file")
    with pytest.raises(CatalogueOther, match="is its file"):
        open_store(tmp_path / "file", "flights", catalogue=place.url)


def test_a_folder_without_a_store_is_told_apart_from_an_empty_catalogue(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        open_store(tmp_path, "flights", catalogue=new_schema())
