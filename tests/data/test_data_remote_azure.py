"""Push and pull over the blob storage of Azure, as its own emulator speaks it on the loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest
from data_help import new_store

from shipway.data import (
    RemoteAhead,
    RemoteEmpty,
    check_name,
    fetch_snapshot,
    publish_name,
    remote_snapshot,
    send_snapshot,
    snapshot_files,
    take_snapshot,
    verify_snapshot,
)
from shipway.kernel.digest import Digest
from shipway.store import ObjectDamaged, ObjectsAddress, ObjectsDown, ObjectsRefused, Remote, Store

AZURITE = Path(sys.executable).parent.parent / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # the emulator's, which all know
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AZURITE.exists(), reason="no Azurite: `make slow` installs it where there is npm"),
]
_numbers = itertools.count()


class Azure:
    """The emulator, with one account that has one container."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """A request signed with the account's key; path: below the account, with what is asked after `?`."""
        place, _, asked = path.partition("?")
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06", **headers}
        named = "".join(f"{name}:{value}\n" for name, value in sorted(sent.items()))
        length = str(len(body)) if body else ""
        signed = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{named}/{ACCOUNT}/{ACCOUNT}/{place}"
        signed += f"\n{asked.replace('=', ':')}" if asked else ""
        made = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        sent |= {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(made).decode()}", "Content-Length": str(len(body))}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, f"/{ACCOUNT}/{path}", body, sent)
            return connection.getresponse().status


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("azurite")
    words = [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder), "--silent"]
    server = subprocess.Popen([*map(str, words), "--skipApiVersionCheck", "--disableTelemetry"], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        found = Azure(port)
        assert found.ask("PUT", "acme?restype=container") == 201
        yield found
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def environ(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{azure.port}/{ACCOUNT}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def url(environ: dict[str, str]) -> str:
    assert environ
    return f"az://acme/team-{next(_numbers)}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "here")


def filled(tmp_path: Path, store: Store, *, large: int = 9 << 20) -> Digest:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number} \u00e9").write_bytes(b"%d" % number)
    (folder / "empty").touch()
    (folder / "large").write_bytes(os.urandom(large))
    return take_snapshot(store, folder).digest


def pushed(store: Store, there: Remote, digest: Digest) -> None:
    seen = check_name(store, there, "flights", digest, known=lambda _: False)
    send_snapshot(store, there, digest)
    publish_name(store, there, "flights", digest, seen=seen)


def test_what_was_pushed_is_fetched_whole_and_only_once(url: str, store: Store, tmp_path: Path) -> None:
    digest, there = filled(tmp_path, store), Remote(url, tmp_path / "cache")
    with pytest.raises(RemoteEmpty):
        fetch_snapshot(new_store(tmp_path / "nobody"), there, digest)
    pushed(store, there, digest)
    assert send_snapshot(store, there, digest, verify=True).copied == 0
    other = new_store(tmp_path / "there")
    assert remote_snapshot(there, other.project, "flights") == digest
    fetched = fetch_snapshot(other, there, digest)
    assert fetched.copied == fetched.objects
    verify_snapshot(other, digest, name="flights")
    assert fetch_snapshot(other, there, digest).copied == 0


def test_of_two_pushes_of_one_name_the_later_is_told(url: str, store: Store, tmp_path: Path) -> None:
    digest, there = filled(tmp_path, store, large=1), Remote(url, tmp_path / "cache")
    seen = check_name(store, there, "flights", digest, known=lambda _: False)
    pushed(store, there, digest)
    (tmp_path / "data/0 \u00e9").write_bytes(b"other")
    with pytest.raises(RemoteAhead):
        publish_name(store, there, "flights", take_snapshot(store, tmp_path / "data").digest, seen=seen)
    assert remote_snapshot(there, store.project, "flights") == digest


def test_a_damaged_object_is_found_and_sent_again(azure: Azure, url: str, store: Store, tmp_path: Path) -> None:
    digest, there = filled(tmp_path, store, large=100_000), Remote(url, tmp_path / "cache")
    pushed(store, there, digest)
    (file,) = (one for one in snapshot_files(store, digest) if one.path == "large")
    key = f"{url.removeprefix('az://')}/objects/{file.digest[7:9]}/{file.digest[9:]}"
    assert azure.ask("PUT", key, b"x" * 100_000, **{"x-ms-blob-type": "BlockBlob"}) == 201
    with pytest.raises(ObjectDamaged):
        fetch_snapshot(new_store(tmp_path / "there"), there, digest)
    assert send_snapshot(store, there, digest, verify=True).copied == 1
    verify_fetched = new_store(tmp_path / "again")
    fetch_snapshot(verify_fetched, there, digest)
    verify_snapshot(verify_fetched, digest, name="flights")


def test_a_push_and_a_pull_that_were_killed_go_on(url: str, store: Store, tmp_path: Path) -> None:
    digest, there = filled(tmp_path, store, large=40 << 20), Remote(url, tmp_path / "cache")
    store.close()
    push = "from shipway.data import send_snapshot as go"
    _killed(tmp_path / "here", url, digest, push, after=0.5)
    store = new_store(tmp_path / "here")
    pushed(store, there, digest)
    pull = "from shipway.data import fetch_snapshot as go"
    _killed(tmp_path / "there", url, digest, pull, after=0.3)
    other = new_store(tmp_path / "there")
    fetch_snapshot(other, there, digest)
    verify_snapshot(other, digest, name="flights")


def _killed(root: Path, url: str, digest: Digest, imported: str, *, after: float) -> None:
    """Send or fetch in a process of its own that is killed so many seconds after it began."""
    words = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
    words += f"from data_help import new_store; from shipway.store import Remote; {imported}\n"
    words += f"print('begun', flush=True); there = Remote({url!r}, Path({str(root / 'cache')!r}))\n"
    words += f"go(new_store(Path({str(root)!r})), there, {digest!r})"
    with subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as working:
        assert working.stdout is not None
        assert working.stdout.readline() == b"begun\n"
        time.sleep(after)
        os.kill(working.pid, signal.SIGKILL)


def test_a_wrong_key_another_container_and_nobody_there_are_told(
    url: str, environ: dict[str, str], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = filled(tmp_path, store, large=1)
    with pytest.raises((ObjectsRefused, ObjectsDown, RemoteEmpty)):
        send_snapshot(store, Remote("az://nowhere/team", tmp_path / "cache"), digest)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(ObjectsRefused) as told:
        send_snapshot(store, Remote(url, tmp_path / "cache"), digest)
    assert KEY not in told.value.render()
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", environ["AZURE_STORAGE_ENDPOINT"].replace("127.0.0.1", "storage.example.org"))
    with pytest.raises(ObjectsAddress, match="AZURE_STORAGE_ENDPOINT would send objects over a network unencrypted"):
        Remote(url, tmp_path / "cache")
