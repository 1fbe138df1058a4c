"""A real Ray cluster of two workers on this machine, started once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import ray_work

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import Project

from shipway.data import DataUnreadable, profile_snapshot, take_snapshot
from shipway.environment import default_cache
from shipway.kernel.canonical import canonical_json
from shipway.kernel.workers import Threads
from shipway.llm import EmbedderMissing, open_minilm
from shipway.operate import RayFailed, RayUnreachable, RayWorkers, embed_elsewhere, open_ray, score_files, score_task
from shipway.store import open_store

pytest_plugins = ["cli_fixtures"]
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


def address_of_cluster() -> str:
    import ray  # it is set up when it is imported, so not before a cluster is opened

    return str(ray.get_runtime_context().gcs_address)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayWorkers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where workers find ray_work
        with open_ray({}, count=2) as workers:
            yield workers


def test_results_are_those_of_one_process_in_the_order_of_the_parts(cluster: RayWorkers) -> None:
    assert list(cluster.map(ray_work.double, range(20))) == list(Threads().map(ray_work.double, range(20)))
    assert os.getpid() not in set(cluster.map(ray_work.process, range(4)))


def test_a_profile_made_on_ray_is_byte_for_byte_that_of_one_process(cluster: RayWorkers, tmp_path: Path) -> None:
    random, folder = np.random.default_rng(1), tmp_path / "rows"
    folder.mkdir()
    for number in range(2):
        columns = {"value": random.normal(0.1, 1e3, 5000), "word": random.choice(["a", "b"], 5000)}
        pl.DataFrame(columns).write_parquet(folder / f"{number}.parquet")
    store = open_store(tmp_path, "sample", create=True)
    digest = take_snapshot(store, folder).digest
    one, two = (profile_snapshot(store, digest, name="rows", workers=workers, rows=700) for workers in (Threads(), cluster))
    assert (one.parts, one.profile.rows) == (16, 10_000)
    assert canonical_json(two.profile.to_json()) == canonical_json(one.profile.to_json())


def test_vectors_made_on_ray_are_bit_for_bit_those_of_one_process(cluster: RayWorkers, tmp_path: Path) -> None:
    try:
        here = open_minilm(tmp_path / "cache", threads=2)
    except EmbedderMissing as problem:
        pytest.skip(str(problem))
    batches = [["The ferry sails at noon.", "Bread"], ["A text of some length about salaries and levels."]]
    elsewhere = embed_elsewhere(cluster, here, cache=tmp_path / "cache")
    assert elsewhere is not None
    for made, expected in zip(elsewhere(batches), map(here.embed, batches), strict=True):
        np.testing.assert_array_equal(made, expected)


def test_rows_scored_on_ray_are_byte_for_byte_those_of_one_process(
    cluster: RayWorkers, project: Project, tmp_path: Path
) -> None:
    random, given = np.random.default_rng(1), tmp_path / "rows.parquet"
    pl.DataFrame({"point": range(1000), "x": random.normal(size=1000), "y": random.normal(size=1000)}).write_parquet(given)
    (release,) = project.store.targets("release/", "sha256:")
    environ = {"PATH": os.environ["PATH"]}
    task = score_task(
        project.store,
        release,
        model=None,
        keep=("point",),
        batch=90,
        environ=environ,
        cache=default_cache(),
        report=print,
    )
    for name, workers in (("one", Threads()), ("ray", cluster)):
        done = score_files(task, given, tmp_path / f"{name}.parquet", workers=workers, tell=lambda *_: None, report=print)
        assert (done.rows, done.batches) == (1000, 12)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_a_worker_killed_in_the_middle_changes_nothing(cluster: RayWorkers, tmp_path: Path) -> None:
    assert list(cluster.map(ray_work.dying(tmp_path), range(6))) == [0, 2, 4, 6, 8, 10]
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_workers_that_die_every_time_are_one_clear_error(cluster: RayWorkers) -> None:
    with pytest.raises(RayFailed, match="died 4 times"):
        list(cluster.map(ray_work.dies_always, [1]))


def test_what_a_task_raises_is_one_clear_error_at_the_place_of_its_part(cluster: RayWorkers) -> None:
    results = cluster.map(ray_work.fails, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RayFailed, match=r"ValueError: part 2 is bad$") as raised:
        next(results)
    assert len(raised.value.render().splitlines()) <= 6


def test_an_error_of_shipway_is_the_same_from_ray(cluster: RayWorkers) -> None:
    with pytest.raises(DataUnreadable) as raised:
        list(cluster.map(ray_work.refuses, [1]))
    assert (raised.value.where, raised.value.mend) == ("2.parquet", "write it again")


def test_the_cluster_of_this_machine_listens_on_loopback_only_and_tells_nobody(cluster: RayWorkers) -> None:
    assert address_of_cluster().startswith("127.0.0.1:")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_another_process_works_on_the_cluster_at_the_address_that_is_set(cluster: RayWorkers) -> None:
    source = """
import os, ray_work
from shipway.operate import open_ray
with open_ray(os.environ, count=1) as workers:
    assert os.getpid() not in set(workers.map(ray_work.process, range(2)))
    print(list(workers.map(ray_work.double, range(5))))
"""
    environ = os.environ | {"RAY_ADDRESS": address_of_cluster()}
    done = subprocess.run([sys.executable, "-c", source], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[0, 2, 4, 6, 8]\n", done.stderr


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:x", "127.0.0.1:99999", "ray://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_one_clear_error(address: str) -> None:
    with pytest.raises(RayUnreachable) as raised, open_ray({"RAY_ADDRESS": address}, count=1, wait=1):
        pass
    assert raised.value.where == address


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_that_is_mute_or_no_cluster_is_an_error_in_time(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(answer)
                ended.wait(10)

        ended = threading.Event()
        other = threading.Thread(target=serve)
        other.start()
        began = time.monotonic()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(RayUnreachable), open_ray({"RAY_ADDRESS": address}, count=1, wait=0.5):
            pass
        assert time.monotonic() - began < 5
        ended.set()
        other.join()
