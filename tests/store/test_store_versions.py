"""A catalogue of an older version becomes today's, whole or not at all, and still answers all that it knew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from store_help import REF, dump, restore_old

from shipway.access import Actor, open_keys
from shipway.gate import judge_move
from shipway.release import NothingToReturnTo, roll_back
from shipway.store import StoreNewer, open_store

ANN = Actor("ann", frozenset({"admin"}))


def test_a_store_one_version_older_is_migrated_with_all_it_holds(tmp_path: Path) -> None:
    restore_old(tmp_path)
    store = open_store(tmp_path, "flights")
    assert [(r.resource, r.outcome) for r in store.history()] == [
        ("release/delay", "approved"),
        ("release/delay", "moved"),
        (REF, "refused"),
        ("policy/main", "moved"),
        *[(REF, "moved")] * 5,
    ]
    moves = store.lives(REF)
    assert [record.id for record in moves] == [5, 4, 3, 2, 1]
    gone, known = moves[1], [moves[0], *moves[2:]]
    assert gone.release is None  # its object cannot be read any more
    for record in known:
        assert record.target
        assert record.release == store.get(record.target, "deployment")["release"]["digest"]  # type: ignore[index,call-overload]
    three, two = known[0].release, known[1].release
    assert store.lives(REF, two) == [record for record in moves if record.release == two]
    assert len(store.lives(REF, two)) == 2
    assert store.lives(REF, three) == [moves[0]]
    assert store.state("action", "sha256:ab") is not None
    assert len(store.evidence(two)) == 1 if two else False


def test_a_migrated_store_rolls_back_past_a_deployment_whose_object_is_gone(tmp_path: Path) -> None:
    restore_old(tmp_path)
    store, (_, keys) = open_store(tmp_path, "flights"), open_keys(tmp_path / "keys")
    one, two = store.lives(REF)[4], store.lives(REF)[2]
    moved = roll_back(store, keys, ANN, REF)
    assert store.lives(REF)[0].release == two.release
    assert moved.judged.returning
    assert one.target
    assert judge_move(store, keys, ANN, ref=REF, target=one.target).returning
    refused = next(record for record in store.history(REF) if record.outcome == "refused")
    assert refused.target
    assert refused.release
    assert not judge_move(store, keys, ANN, ref=REF, target=refused.target).returning
    with pytest.raises(NothingToReturnTo):
        roll_back(store, keys, ANN, REF, release=refused.release)


def test_a_migrated_catalogue_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from shipway.store._tables import metadata

    file = restore_old(tmp_path)
    open_store(tmp_path, "flights")
    with create_engine(f"sqlite:///{file}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
import alembic.command
from shipway.store import open_store

def run(root, last):
    done = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_):
        nonlocal done
        done += 1
        if done > last:
            os.kill(os.getpid(), signal.SIGKILL)

    open_store(Path(root), "flights").close()
    os._exit(0)

for last, root in enumerate(sys.argv[1:]):
    child = os.fork()
    if not child:
        run(root, last)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_migration_killed_before_any_of_its_statements_leaves_the_old_catalogue(tmp_path: Path) -> None:
    """Every statement in turn, until none is left to be killed at; then the same store is opened as if nothing had been."""
    roots = [tmp_path / str(number) for number in range(40)]
    files = [restore_old(root) for root in roots]
    old = dump(files[0])
    ran = subprocess.run([sys.executable, "-c", KILLED, *map(str, roots)], capture_output=True, text=True, check=True)
    codes = [int(line) for line in ran.stdout.split()]
    assert codes[0] == -9
    assert codes[-1] == 0  # 40 are more than there are
    assert sorted(codes) == codes
    for code, root, file in zip(codes, roots, files, strict=True):
        assert (dump(file) == old) is (code == -9)
        store = open_store(root, "flights")
        assert len(store.lives(REF)) == 5
        store.close()
    assert len({tuple(dump(file)) for file in files}) == 1


def test_processes_that_migrate_at_once_agree(tmp_path: Path) -> None:
    file = restore_old(tmp_path)
    code = (
        "import sys; from pathlib import Path; from shipway.store import open_store\n"
        "print(len(open_store(Path(sys.argv[1]), 'flights').lives('deploy/delay@prod')))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for child in children:
        said, errors = child.communicate()
        assert (child.returncode, said.strip()) == (0, "5"), errors
    assert sum('INSERT INTO "audit"' in line for line in dump(file)) == 9


def test_a_store_one_version_newer_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    import sqlite3

    file = restore_old(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = dump(file)
    with pytest.raises(StoreNewer) as problem:
        open_store(tmp_path, "flights")
    assert problem.value.code == "store.newer"
    assert problem.value.mend == "upgrade Shipway"
    assert dump(file) == before


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("resource = 'r' AND outcome = 'moved' ORDER BY id DESC LIMIT 1", "audit_moves"),
        ("resource = 'r' AND outcome = 'moved' AND release = 'x' ORDER BY id DESC", "audit_lives"),
        ("resource = 'r' AND outcome = 'moved' AND target = 'x' AND release = 'x' ORDER BY id DESC", "audit_"),
        (
            "target >= 'sha256:ab' AND target < 'sha256:ac' AND resource >= 'release/' AND resource < 'release0'",
            "audit_by_target",
        ),
    ],
)
def test_what_is_asked_of_the_history_is_found_by_an_index(tmp_path: Path, sql: str, index: str) -> None:
    import sqlite3

    store = open_store(tmp_path, "flights", create=True)
    connection = sqlite3.connect(store.root / "catalogue.sqlite")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM audit WHERE project = 'p' AND {sql}")]
    connection.close()
    assert all(line.startswith(f"SEARCH audit USING INDEX {index}") for line in plan), plan
