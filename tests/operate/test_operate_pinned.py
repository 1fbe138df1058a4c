"""`shipway serve` of one release, as a container runs it: from a store, or from a bundle and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import yaml
from operate_help import REF, Project, ask, descendants, endpoint, infer, move, move_arms, releases, runs

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from store_help import BUCKET, s3_client, s3_environ

from shipway import __version__
from shipway.kernel.digest import Digest, short
from shipway.release import AskedArm

pytest_plugins = ["cli_fixtures"]


@pytest.fixture(scope="module")
def released(fitted: Project) -> Project:
    """A model that brings no code is served from a bundle without anybody's signature, and arms of it in one process."""
    return fitted


@contextmanager
def serving(project: Project, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `serve` that goes on, and where it says that it answers; killed at the end if it still runs."""
    child = project.start("serve", *words, "--port", "0")
    try:
        assert child.stderr is not None
        lines = []
        for line in child.stderr:
            lines.append(line)
            if found := re.search(r"serves [0-9a-f]+ at (http://.+)", line):
                yield child, found[1]
                break
        else:
            raise AssertionError("".join(lines))
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def read(url: str) -> object:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def live(project: Project) -> Project:
    move(project, releases(project)[0])
    return project


@pytest.fixture
def bundle(live: Project, tmp_path: Path) -> Path:
    """The live release and nothing else of the project, in a folder that nobody writes to."""
    live.ask("release", "export", "deploy/line@prod", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def nowhere(tmp_path: Path) -> Project:
    """An empty folder: no spec, no store, no keys; whoever asks a package index fails."""
    (tmp_path / "nowhere").mkdir()
    closed = "http://127.0.0.1:9/simple"
    return Project(tmp_path / "nowhere", tmp_path / "no-keys", more={"UV_INDEX_URL": closed, "UV_OFFLINE": "1"})


def test_a_bundle_is_served_in_an_empty_folder(bundle: Path, live: Project, nowhere: Project) -> None:
    """As KServe starts it: a folder with the bundle, a variable, and no network."""
    release = releases(live)[0]
    shutil.rmtree(live.root)
    nowhere.more["PROTOCOL"] = "grpc-v2"
    with serving(nowhere, "--bundle", str(bundle), "--grpc-port", "0") as (child, where):
        url, _, second = where.partition(", gRPC at ")
        with grpc.insecure_channel(second) as channel:
            assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20) == b"\x08\x01"  # SERVING
        assert read(f"{url}/v2/health/ready") == {"live": True, "ready": True}
        described = read(f"{url}/v2")
        assert isinstance(described, dict)
        assert described["version"] == __version__  # Shipway is not installed there, only on the path
        assert infer(url) == release
        below = descendants(child.pid)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0
    assert not [pid for pid in below if runs(pid)]
    assert list(nowhere.root.iterdir()) == []


def test_a_bundle_with_a_changed_byte_is_not_served(bundle: Path, nowhere: Project) -> None:
    blob = max((bundle / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    done = nowhere.cli("serve", "--bundle", str(bundle), "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "release.bundle-damaged")


def test_a_bundle_whose_release_is_revoked_is_not_served_where_its_keys_are_trusted(
    live: Project, tmp_path: Path, nowhere: Project
) -> None:
    live.ask("release", "revoke", "deploy/line@prod", "--why", "leaks")
    live.ask("release", "export", "deploy/line@prod", str(tmp_path / "models"))
    trusting = Project(nowhere.root, live.keys_folder)
    done = trusting.cli("serve", "--bundle", str(tmp_path / "models"), "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "release.revoked")


@pytest.mark.parametrize(
    ("words", "protocol", "code", "says"),
    [
        ((), "grpc-v1", "cli.misused", "V1 and V2 over HTTP, and V2 over gRPC"),
        ((), "grpc-v2", "cli.misused", "no port speaks gRPC"),
        (("other@prod", "--release", "beef"), "v2", "release.bundle-unclear", "does not hold beef"),
        (("nonsense",), "", "release.bundle-unclear", "no deployment"),
    ],
)
def test_what_a_container_is_told_wrongly_is_refused(
    bundle: Path, nowhere: Project, words: tuple[str, ...], protocol: str, code: str, says: str
) -> None:
    nowhere.more["PROTOCOL"] = protocol
    done = nowhere.cli("serve", *words, "--bundle", str(bundle), "--json")
    assert done.document["error"]["code"] == code
    assert says in done.document["error"]["what"]


def test_a_pinned_release_stays_when_its_ref_moves(live: Project) -> None:
    first, second = releases(live)
    move(live, second)
    with serving(live, "line@prod", "--release", short(first)) as (child, url):
        assert infer(url) == first
        move(live, first)
        move(live, second)
        assert infer(url) == first
        assert endpoint(live) == {}  # nobody is told that this is where the ref is served
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0


def test_a_container_serves_a_deployment_with_its_arms_as_the_rendered_files_say(live: Project) -> None:
    """In one process where the environment is the same, in one of its own for a shadow; the ref is not followed."""
    first, second = releases(live)
    move_arms(live, first, AskedArm("candidate", second, 0.5), AskedArm("shadow", second, 1.0))
    live.ask("render", "kubernetes")
    (file,) = (live.root / "deploy" / "kubernetes").glob("line-prod.yaml")
    (container,) = next(yaml.safe_load_all(file.read_text()))["spec"]["template"]["spec"]["containers"]
    words = container["args"]
    assert words[:4] == ["serve", "line@prod", "--deployment", live.store.resolve(REF)]
    move(live, first)
    with serving(live, *words[1:4]) as (child, url):
        answers = [ask(url, user) for user in range(40)]
        assert {(one["x-shipway-arm"], one["x-shipway-release"]) for one in answers} == {("live", first), ("candidate", second)}
        assert [ask(url, user)["x-shipway-arm"] for user in range(40)] == [one["x-shipway-arm"] for one in answers]
        below = descendants(child.pid)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0
    assert len(below) >= 2, "the shadow has a process of its own"
    assert not [pid for pid in below if runs(pid)]
    live.ask("release", "revoke", second, "--why", "leaks")
    for digits, code in (("beef", "release.never-live"), ("", "release.never-live"), (words[3][7:19], "release.revoked")):
        done = live.cli("serve", "line@prod", "--deployment", digits or "a", "--json")
        assert (done.code, done.document["error"]["code"]) == (1, code)
    both = live.cli("serve", "line@prod", "--deployment", words[3], "--release", first, "--json")
    assert both.document["error"]["code"] == "cli.misused"


def test_what_a_container_records_is_in_the_teams_bucket_when_it_ends(live: Project) -> None:
    """Its disk ends with it, and nobody else compacts what lies there."""
    prefix, release = f"pinned/{os.getpid()}", releases(live)[0]
    live.more |= {**s3_environ(), "SHIPWAY_OBJECTS": f"s3://{BUCKET}/{prefix}"}
    live.ask("store", "migrate")
    with serving(live, "line@prod", "--release", release) as (child, url):
        infer(url)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0
    found = s3_client(s3_environ()).list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/logs/").get("Contents", [])
    assert [each["Key"] for each in found if "/predictions/" in each["Key"]]


def test_a_release_that_the_gate_never_let_in_is_not_served(live: Project) -> None:
    done = live.cli("serve", "line@prod", "--release", releases(live)[1], "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "release.never-live")
    assert REF in done.document["error"]["what"]


def test_a_revoked_release_that_is_not_live_any_more_is_not_served(live: Project) -> None:
    first, second = releases(live)
    move(live, second)
    live.ask("release", "revoke", str(Digest(first)), "--why", "leaks")
    done = live.cli("serve", "line@prod", "--release", first, "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "release.revoked")
