"""DVC, both ways, against the real tool: what it wrote is read, what we wrote it pulls, and would write itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from data_help import new_store
from dvc_help import legacy_md5, run_dvc, tree_of, write_legacy, write_tree

from shipway.data import check_out, snapshot_files, take_snapshot, verify_snapshot
from shipway.data.dvc import (
    DvcDamaged,
    DvcMalformed,
    DvcMissing,
    DvcUnsupported,
    describe_snapshot,
    export_files,
    import_out,
    make_dvc,
    open_dvc,
    write_dvc_file,
)
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import Foreign, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from store_help import BUCKET, s3_environ

FOLDER = {
    "a.csv": b"x,y\n1,2\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "crlf.bin": b"\0one\r\ntwo\r\n",
    "empty": b"",
    "copy of a.csv": b"x,y\n1,2\n",
    "deep/er/é ü.txt": "größer\n".encode(),
    "deep/\u65e5\u672c.csv": b"1\n",
    "deep/run.sh": b"#!/bin/sh\n",
    "[x]*.txt": b"odd\n",
}
ALONE = {
    "one.csv": b"alone\r\n",
    "empty.csv": b"",
    "sub/two words.bin": b"\0\r\n\xff",
    "sub/é.txt": b"e\n",
    "tool": b"#!/bin/sh\n",
}
NAMES = ("data", *ALONE)


def write_all(root: Path) -> None:
    """Every kind of file that there is, with and without an execute bit."""
    write_tree(root / "data", FOLDER)
    write_tree(root, ALONE)
    (root / "data/deep/run.sh").chmod(0o755)
    (root / "tool").chmod(0o755)


def remove_all(root: Path) -> None:
    for name in NAMES:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def dvc_texts(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.dvc")) if path.is_file()}


def imported(store: Store, root: Path, remote: Foreign | None = None) -> dict[str, Digest]:
    repo = open_dvc(root)
    return {out.path: import_out(store, repo, out, remote=remote).snapshot.digest for out in repo.outs()}


def exported(store: Store, root: Path, taken: Mapping[str, Digest], remote: Foreign | None = None) -> None:
    repo = make_dvc(root)
    for name, digest in taken.items():
        files = snapshot_files(store, digest)
        out = describe_snapshot(store, digest, name, folder=name == "data")
        export_files(store, repo, files, out, remote=remote)
        write_dvc_file(repo, out)


def adds() -> list[str]:
    return [f"add|{name}" for name in NAMES]


def test_what_dvc_tracks_comes_without_a_copy_and_what_we_write_dvc_would_have_written(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_all(root)
    there, mirror = tmp_path / "there", tmp_path / "mirror"
    remotes = [f"remote|add|-d|there|{there}", f"remote|add|mirror|{mirror}"]
    run_dvc(root, "init|--no-scm", *remotes, *adds(), "push")
    was, texts = tree_of(root), dvc_texts(root)
    assert texts.keys() == {f"{name}.dvc" for name in NAMES}
    taken = imported(store, root)
    assert taken == {name: take_snapshot(store, root / name).digest for name in NAMES}, "as if it had been taken here"
    cached = [path for path in (root / ".dvc/cache/files/md5").rglob("*") if path.is_file() and not path.name.endswith(".dir")]
    assert all(path.stat().st_nlink == 2 for path in cached), "a second name for the same file"
    shutil.rmtree(root / ".dvc/cache")
    remove_all(root)
    for name in NAMES:
        (root / name).touch() if name != "data" else None
        check_out(store, taken[name], root / name, force=True)
    exported(store, root, taken, Foreign(mirror, {}))
    assert dvc_texts(root) == texts
    said = run_dvc(root, "status", *adds())
    assert "up to date" in said[0]
    assert dvc_texts(root) == texts, "dvc add writes what we wrote"
    shutil.rmtree(root / ".dvc/cache")
    remove_all(root)
    run_dvc(root, "pull|-r|mirror", "status")
    assert tree_of(root / "data") == FOLDER
    assert {name: (root / name).read_bytes() for name in ALONE} == ALONE
    assert {name for name in was if name.endswith(".dir")} == {name for name in tree_of(root) if name.endswith(".dir")}
    again = imported(new_store(tmp_path / "third"), root, Foreign(there, {}))
    assert again.keys() == taken.keys()


def test_data_that_dvc_never_saw_are_pulled_by_it_and_up_to_date(tmp_path: Path) -> None:
    root, clone, store, mirror = tmp_path / "repo", tmp_path / "clone", new_store(tmp_path / "ours"), tmp_path / "mirror"
    write_all(root)
    taken = {name: take_snapshot(store, root / name).digest for name in NAMES}
    exported(store, root, taken, Foreign(mirror, {}))
    shutil.copytree(root, clone, ignore=shutil.ignore_patterns("cache", *[name.rpartition("/")[2] for name in NAMES]))
    said = run_dvc(clone, f"remote|add|-d|mirror|{mirror}", "pull", "status", *adds())
    assert "up to date" in said[2]
    assert tree_of(clone / "data") == FOLDER
    assert {name: (clone / name).read_bytes() for name in ALONE} == ALONE
    assert os.access(clone / "tool", os.X_OK)
    assert dvc_texts(clone) == dvc_texts(root)


def write_v2(root: Path, *, cached: bool = True) -> None:
    """A repository as DVC 2 left it, with a local remote that has what the cache has."""
    home = root / ".dvc"
    home.mkdir(parents=True)
    (home / "config").write_text(f"[core]\n    no_scm = True\n    remote = old\n['remote \"old\"']\n    url = {root}-old\n")
    write_legacy(root, "data", FOLDER)
    for name, data in ALONE.items():
        write_legacy(root, name, data)
    shutil.copytree(home / "cache", f"{root}-old")
    if not cached:
        shutil.rmtree(home / "cache")


def test_a_repository_of_dvc_2_is_read_with_its_own_sums_and_written_as_dvc_3(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_v2(root)
    assert legacy_md5(FOLDER["crlf.txt"]) != hashlib.md5(FOLDER["crlf.txt"]).hexdigest()
    said = run_dvc(root, "checkout", "status")
    assert "up to date" in said[1], "the real DVC reads what was written by hand"
    assert tree_of(root / "data") == FOLDER
    taken = imported(store, root)
    assert taken == {name: take_snapshot(store, root / name).digest for name in NAMES}
    exported(store, root, taken)
    texts = dvc_texts(root)
    assert all("hash: md5" in text for text in texts.values())
    shutil.rmtree(root / ".dvc/cache/files")
    exported(store, root, taken)
    said = run_dvc(root, "status", *adds())
    assert "up to date" in said[0]
    assert dvc_texts(root) == texts


def test_what_only_a_remote_has_is_fetched_as_dvc_2_kept_it(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_v2(root, cached=False)
    with pytest.raises(DvcMissing, match="there is no remote to ask"):
        imported(store, root)
    taken = imported(store, root, open_dvc(root).open_remote())
    assert {file.path for file in snapshot_files(store, taken["data"])} == FOLDER.keys()
    for name, digest in taken.items():
        verify_snapshot(store, digest, name=name)


@pytest.mark.slow
def test_the_real_dvc_and_we_meet_at_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {name: value for name, value in s3_environ().items() if name.startswith("AWS_")}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{BUCKET}/dvc/{os.getpid()}"
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_tree(root / "data", FOLDER)
    endpoint = environ["AWS_ENDPOINT_URL"]
    setup = ["init|--no-scm", f"remote|add|-d|up|{url}/theirs", f"remote|modify|up|endpointurl|{endpoint}"]
    more = [f"remote|add|down|{url}/ours", f"remote|modify|down|endpointurl|{endpoint}"]
    run_dvc(root, *setup, *more, "add|data", "push", environ=environ)
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "data")
    repo = open_dvc(root)
    taken = imported(store, root, repo.open_remote())
    assert {file.path for file in snapshot_files(store, taken["data"])} == FOLDER.keys()
    exported(store, root, taken, repo.open_remote("down"))
    shutil.rmtree(root / ".dvc/cache")
    said = run_dvc(root, "pull|-r|down", "status", environ=environ)
    assert "up to date" in said[1]
    assert tree_of(root / "data") == FOLDER


def test_a_bucket_is_a_remote_as_a_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = s3_environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    root, store, other = tmp_path / "repo", new_store(tmp_path / "ours"), new_store(tmp_path / "theirs")
    write_tree(root / "data", FOLDER)
    (root / ".dvc").mkdir()
    settings = f"url = s3://{BUCKET}/dvc/{os.getpid()}\n    endpointurl = {environ['AWS_ENDPOINT_URL']}"
    (root / ".dvc/config").write_text(f"[core]\n    remote = up\n['remote \"up\"']\n    {settings}\n")
    taken = {"data": take_snapshot(store, root / "data").digest}
    exported(store, root, taken, open_dvc(root).open_remote())
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "data")
    assert imported(other, root, open_dvc(root).open_remote()).keys() == taken.keys()
    assert not any((other.root / "cache/fetched").iterdir())


@pytest.mark.slow
def test_a_host_that_sftp_reaches_is_a_remote_from_which_the_real_dvc_pulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sshfs", reason="sshfs is not installed: there is nothing to open ssh:// with")
    from ssh_server import sftp_host

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root, store, other = tmp_path / "repo", new_store(tmp_path / "ours"), new_store(tmp_path / "theirs")
    write_tree(root / "data", FOLDER)
    taken = {"data": take_snapshot(store, root / "data").digest}
    with sftp_host(tmp_path / "home") as host:
        far = f"url = ssh://127.0.0.1{tmp_path}/there\n    user = ann\n    port = {host.port}"
        (root / ".dvc").mkdir()
        (root / ".dvc/config").write_text(f"[core]\n    no_scm = True\n    remote = far\n['remote \"far\"']\n    {far}\n")
        exported(store, root, taken, open_dvc(root).open_remote())
        for path in (root / ".dvc/cache", root / "data"):
            shutil.rmtree(path)
        assert imported(other, root, open_dvc(root).open_remote()) == taken
    shutil.rmtree(root / ".dvc/cache", ignore_errors=True)
    near = f"[core]\n    no_scm = True\n    remote = near\n['remote \"near\"']\n    url = {tmp_path}/there\n"
    (root / ".dvc/config").write_text(near)  # the real one has no SFTP here
    assert "up to date" in run_dvc(root, "pull", "status")[1], "what went by SFTP is as DVC would have put it"
    assert tree_of(root / "data") == FOLDER


def test_changed_data_leave_what_a_person_wrote_in_the_dvc_file(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_tree(root, {"one.csv": b"1\n"})
    make_dvc(root)
    before = (
        "# ours\ndesc: flights\nouts:\n- md5: "
        + "0" * 32
        + "  # old\n  size: 9\n  hash: md5\n  path: one.csv\nmeta:\n  owner: ann\n"
    )
    (root / "one.csv.dvc").write_text(before)
    taken = take_snapshot(store, root / "one.csv").digest
    exported(store, root, {"one.csv": taken})
    md5 = hashlib.md5(b"1\n").hexdigest()
    assert (root / "one.csv.dvc").read_text() == before.replace("0" * 32, md5).replace("size: 9", "size: 2")


GOOD = "outs:\n- md5: " + "a" * 32 + "\n  size: 1\n  hash: md5\n  path: x\n"
BAD = {
    "cut after its first word": ("outs:\n- md5: aaaa", DvcMalformed, "no path"),
    "cut before a sum": ("outs:\n- path: x\n", DvcMalformed, "no md5"),
    "cut in a sum": ("outs:\n- md5: aaa\n  path: x\n", DvcMalformed, "no MD5"),
    "empty": ("", DvcMalformed, "no outs"),
    "a conflict": ("<<<<<<< HEAD\n" + GOOD + "=======\n" + GOOD + ">>>>>>> x\n", DvcMalformed, "merge conflict"),
    "an escape": (GOOD.replace("path: x", "path: ../../x"), DvcMalformed, "leads out"),
    "an absolute path": (GOOD.replace("path: x", "path: /etc/passwd"), DvcMalformed, "no path below"),
    "an escape by wdir": ("wdir: ../..\n" + GOOD, DvcMalformed, "leads out"),
    "git's own": (GOOD.replace("path: x", "path: .git/hooks/post-checkout"), DvcMalformed, "keeps for itself"),
    "a url": (GOOD.replace("path: x", "path: s3://b/x"), DvcUnsupported, "outside"),
    "an alias": ("a: &a [x]\nouts: *a\n", DvcMalformed, "alias"),
    "a bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nouts: [*b]\n", DvcMalformed, "alias"),
    "a tag": ("outs: !!python/object/apply:os.system [id]\n", DvcMalformed, "tag"),
    "a list": ("- 1\n", DvcMalformed, "keys and values"),
    "cloud versions": ("outs:\n- path: x\n  etag: 12\n  version_id: z\n", DvcUnsupported, "versioned by its remote"),
    "twice": (GOOD + GOOD.removeprefix("outs:\n"), DvcMalformed, "overlap"),
    "another hash": (GOOD.replace("hash: md5", "hash: blake3"), DvcUnsupported, "blake3"),
    "no size": (GOOD.replace("size: 1", "size: -1"), DvcMalformed, "whole number"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_dvc_file_that_means_nothing_is_one_clear_error(name: str, tmp_path: Path) -> None:
    text, kind, words = BAD[name]
    make_dvc(tmp_path)
    (tmp_path / "x.dvc").write_text(text)
    with pytest.raises(kind, match=words) as caught:
        open_dvc(tmp_path).outs()
    assert "x.dvc" in str(caught.value.where)


LISTS = {
    "no json": b"[{",
    "no list": b"{}",
    "an escape": b'[{"md5": "%s", "relpath": "../../x"}]' % (b"a" * 32),
    "an absolute path": b'[{"md5": "%s", "relpath": "/x"}]' % (b"a" * 32),
    "no sum": b'[{"md5": "x", "relpath": "x"}]',
    "a file that is a folder": b'[{"md5": "%s", "relpath": "x"}, {"md5": "%s", "relpath": "x/y"}]' % (b"a" * 32, b"b" * 32),
    "twice": b'[{"md5": "%s", "relpath": "x"}, {"md5": "%s", "relpath": "x"}]' % (b"a" * 32, b"b" * 32),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_hostile_list_of_a_folder_brings_nothing(name: str, tmp_path: Path) -> None:
    data, store = LISTS[name], new_store(tmp_path / "ours")
    repo = make_dvc(tmp_path / "ours")
    digits = hashlib.md5(data).hexdigest()
    write_tree(repo.cache / "files/md5", {f"{digits[:2]}/{digits[2:]}.dir": data})
    (repo.root / "x.dvc").write_text(GOOD.replace("a" * 32, f"{digits}.dir"))
    (out,) = repo.outs()
    with pytest.raises(DvcMalformed):
        import_out(store, repo, out)


def test_a_snapshot_of_what_dvc_tracks_has_both_sums_of_one_pass(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_tree(root / "data", {**FOLDER, "large": bytes(9 << 20), "larger": bytes(10 << 20)})
    files = snapshot_files(store, take_snapshot(store, root / "data").digest)
    assert store.sums.find({file.digest for file in files}) == {}, "who has no DVC pays for no MD5"
    (root / "data.dvc").write_text("outs: []\n")
    other = new_store(tmp_path / "theirs")
    take_snapshot(other, root / "data")
    sums = other.sums.find({file.digest for file in files})
    assert {file.path: sums[file.digest] for file in files} == {
        path: hashlib.md5(data).hexdigest() for path, data in tree_of(root / "data").items()
    }


def test_wrong_bytes_and_missing_ones_in_the_cache_are_named(tmp_path: Path) -> None:
    root, store = tmp_path / "ours", new_store(tmp_path / "ours")
    write_tree(root, {"one.csv": b"right"})
    exported(store, root, {"one.csv": take_snapshot(store, root / "one.csv").digest})
    repo = open_dvc(root)
    (out,) = repo.outs()
    (path,) = repo.objects(out.md5, folder=False, legacy=False)
    path.unlink()
    path.write_bytes(b"wrong")
    with pytest.raises(DvcDamaged, match="csv is damaged"):
        import_out(store, repo, out)
    path.unlink()
    (root / "one.csv").write_bytes(b"changed")
    with pytest.raises(DvcMissing, match="has changed"):
        import_out(store, repo, out)
    (root / "one.csv").unlink()
    with pytest.raises(DvcMissing, match=out.md5):
        import_out(store, repo, out)


def test_a_workspace_that_dvc_linked_into_its_cache_is_read_from_the_cache(tmp_path: Path) -> None:
    root, store = tmp_path / "repo", new_store(tmp_path / "ours")
    write_tree(root, {"one.csv": b"1\n"})
    taken = take_snapshot(store, root / "one.csv").digest
    exported(store, root, {"one.csv": taken})
    repo = open_dvc(root)
    (out,) = repo.outs()
    (path,) = repo.objects(out.md5, folder=False, legacy=False)
    (root / "one.csv").unlink()
    (root / "one.csv").symlink_to(path)
    assert imported(new_store(tmp_path / "other"), root) == {"one.csv": taken}
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DvcMissing):
        imported(new_store(tmp_path / "third"), root)


def test_what_may_be_written_to_is_copied_and_a_link_is_kept_when_it_is_put_again(tmp_path: Path) -> None:
    store = new_store(tmp_path / "ours")
    write_tree(tmp_path, {"open": b"a", "shut": b"b", "same": b"b"})
    (tmp_path / "shut").chmod(0o444)
    for name, links in (("open", 1), ("shut", 2)):
        digest, size = store.objects.adopt(tmp_path / name)
        assert (size, store.objects.path(digest).stat().st_nlink) == (1, links)
    store.objects.put_file(tmp_path / "same")
    assert (tmp_path / "shut").stat().st_nlink == 2, "the same bytes are not there twice"
    store.objects.path(digest).chmod(0o400)  # as verify marks what is damaged
    store.objects.put_file(tmp_path / "same")
    assert (tmp_path / "shut").stat().st_nlink == 1


def test_no_repository_no_remote_and_a_remote_that_is_not_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DvcMissing, match="no DVC repository"):
        open_dvc(tmp_path)
    repo = make_dvc(tmp_path)
    config = tmp_path / ".dvc/config"
    for url, kind in (("gdrive://root/path", DvcUnsupported), ("", DvcMalformed), ("s3://a b", ShipwayError)):
        config.write_text(f"['remote \"r\"']\n    url = {url}\n")
        with pytest.raises(kind):
            open_dvc(tmp_path).open_remote()
    with pytest.raises(DvcMissing, match="no remote x"):
        repo.open_remote("x")
    config.write_text("core]\n")
    with pytest.raises(DvcMalformed, match="no configuration"):
        open_dvc(tmp_path)
