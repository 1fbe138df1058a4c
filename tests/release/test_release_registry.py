"""A release goes to a registry and comes back, over whatever goes wrong on the way."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bundle_help import Yard
from registry_server import State, cutting_proxy, docker_registry, free_port, small_registry
from release_help import Project

from shipway.kernel.digest import Descriptor, Digest, digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.release import (
    BundleDamaged,
    BundleMalformed,
    Component,
    Pulled,
    Pushed,
    Registry,
    RegistryCredentials,
    RegistryDown,
    RegistryMalformed,
    RegistryRefused,
    Target,
    find_credentials,
    hash_bundle,
    name_freight,
    open_stored,
    parse_target,
    pull_freight,
    push_freight,
    put_release,
    verify_bundle,
)
from shipway.release._registry_blobs import find_manifest
from shipway.store import ObjectDamaged, StoreFull

pytest_plugins = ["cli_fixtures"]
AUTH = {"SHIPWAY_REGISTRY_USER": "ann", "SHIPWAY_REGISTRY_PASSWORD": "s3cret"}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    made = Yard(tmp_path / "yard")
    made.release(data="january" * 800)  # some megabytes of January, sent in parts
    return made


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def small() -> Iterator[State]:
    with small_registry() as state:
        yield state


def registry(host: str, tag: str = "v1", environ: dict[str, str] | None = None, name: str = "team/delay") -> Registry:
    return Registry(
        parse_target(f"{host}/{name}:{tag}"), find_credentials(host, {"DOCKER_CONFIG": "/nonexistent", **(environ or {})})
    )


def push(yard: Yard, host: str, **how: Any) -> Pushed:
    with registry(host, **how) as there:
        return push_freight(yard.store, yard.freight(yard.store.resolve("release/delay")), there)


def pull(yard: Yard, host: str, **how: Any) -> Pulled:
    with registry(host, **how) as there:
        done = pull_freight(yard.store, there)
    name_freight(yard.store, yard.keys, yard.actor, done.freight, application="delay")
    return done


def other(yard: Yard, tmp_path: Path, name: str = "other") -> Yard:
    return Yard(tmp_path / name, yard.keys_folder)


def check_round(yard: Yard, there: Yard, release: Digest) -> None:
    """The release is there as it was, with all that was said about it."""
    assert there.store.resolve("release/delay") == release
    sent, came = (verify_bundle(open_stored(one.store, release), one.keys) for one in (yard, there))
    assert {said.reading.envelope for said in sent.said} <= {said.reading.envelope for said in came.said}
    assert came.wrong is None


# a registry without the referrers API


def test_debians_registry_keeps_a_release_and_gives_it_back(yard: Yard, debian: str, tmp_path: Path) -> None:
    release = yard.store.resolve("release/delay")
    yard.live(release)
    done = push(yard, debian, name="one")
    assert done.new_blobs == done.blobs
    assert not done.referrers  # so their list is under a tag
    there = other(yard, tmp_path)
    pulled = pull(there, debian, name="one")
    assert set(pulled.freight.carried) == set(yard.freight(release).carried)
    check_round(yard, there, release)


def test_a_second_push_and_pull_move_only_what_changed(yard: Yard, debian: str, tmp_path: Path) -> None:
    push(yard, debian, name="two")
    assert push(yard, debian, name="two").new_bytes == 0
    there = other(yard, tmp_path)
    pull(there, debian, name="two")
    yard.release("second", data="january" * 800)
    changed = push(yard, debian, name="two", tag="v2")
    assert 0 < changed.new_bytes < 20_000
    came = pull(there, debian, name="two", tag="v2")
    assert 0 < came.new_bytes < 20_000
    yard.attest(yard.store.resolve("release/delay"), {"approver": "ann"}, label="approval")
    assert 0 < push(yard, debian, name="two", tag="v2").new_blobs < 4
    assert len(pull(there, debian, name="two", tag="v2").freight.carried) == len(came.freight.carried) + 1


def test_skopeo_reads_what_was_pushed(yard: Yard, debian: str) -> None:
    push(yard, debian, name="three")
    words = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{debian}/three:v1"]
    read = subprocess.run(words, capture_output=True, check=True).stdout
    assert read == yard.store.objects.get(yard.store.resolve("release/delay"))


def test_skopeo_brings_a_bundle_to_a_registry_but_for_its_index(yard: Yard, debian: str, tmp_path: Path) -> None:
    """As into a folder: skopeo 1.9.3 writes the index anew, so that what it brings is no release until it is pushed by us;
    the manifests and blobs that are there already are not sent again.
    """
    release = yard.store.resolve("release/delay")
    folder = yard.export(release, tmp_path / "out")
    words = [
        "skopeo",
        "copy",
        "--all",
        "--dest-tls-verify=false",
        f"oci:{folder}:{short(release)}",
        f"docker://{debian}/four:sk",
    ]
    copied = subprocess.run(words, capture_output=True, text=True, check=False)
    assert copied.returncode == 0, copied.stderr
    with pytest.raises(BundleMalformed, match="its artifact type is None"):
        pull(other(yard, tmp_path), debian, name="four", tag="sk")
    done = push(yard, debian, name="four")
    assert done.new_bytes < 10_000 < sum(blob.size for blob, _ in yard.freight(release).blobs())


def test_debians_registry_asks_for_a_password(yard: Yard, tmp_path: Path) -> None:
    code = "import crypt; print('ann:' + crypt.crypt('s3cret', crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))"
    line = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True).stdout
    with docker_registry(tmp_path / "locked", htpasswd=line) as host:
        with pytest.raises(RegistryRefused, match="nobody without credentials") as problem:
            push(yard, host)
        assert "docker login" in str(problem.value.mend)
        with pytest.raises(RegistryRefused) as wrong:
            push(yard, host, environ={**AUTH, "SHIPWAY_REGISTRY_PASSWORD": "wr0ng"})
        assert "wr0ng" not in wrong.value.render()
        assert push(yard, host, environ=AUTH).new_blobs
        pull(other(yard, tmp_path), host, environ=AUTH)


# one that has it


def test_a_registry_with_the_referrers_api_is_asked(yard: Yard, small: State, tmp_path: Path) -> None:
    release = yard.store.resolve("release/delay")
    yard.live(release)
    assert push(yard, small.host).referrers
    assert set(small.tags) == {"v1"}
    there = other(yard, tmp_path)
    pull(there, small.host)
    check_round(yard, there, release)


def test_attachments_of_other_tools_stay_there(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    release = yard.freight(yard.store.resolve("release/delay")).release
    kind = "application/vnd.oci.image.manifest.v1+json"
    foreign = {"schemaVersion": 2, "mediaType": kind, "artifactType": "application/x.scan", "subject": release.to_json()}
    small.manifests["sha256:" + "0" * 64] = (kind, json.dumps(foreign).encode())
    with pytest.raises(BundleDamaged):  # its digest is a lie
        pull(other(yard, tmp_path), small.host)
    data = small.manifests.pop("sha256:" + "0" * 64)[1]
    small.manifests[digest_bytes(data)] = (kind, data)
    assert pull(other(yard, tmp_path, "third"), small.host).foreign == 1


def test_a_bearer_token_is_asked_for_with_the_credentials(yard: Yard, tmp_path: Path) -> None:
    with small_registry(token=True, user="ann:s3cret") as state:
        with pytest.raises(RegistryRefused):
            push(yard, state.host)
        assert push(yard, state.host, environ=AUTH).new_blobs
        pull(other(yard, tmp_path), state.host, environ=AUTH)
        basic = {path for _, path, held in state.asked if held.startswith("Basic")}
        assert basic
        assert all(path.startswith("/token") for path in basic)
        assert any("scope=repository%3Ateam%2Fdelay%3Apull%2Cpush" in path for path in basic)


def test_a_token_that_has_expired_is_asked_for_again_with_the_credentials(yard: Yard) -> None:
    with small_registry(token=True, user="ann:s3cret") as state:
        push(yard, state.host, environ=AUTH)
        with registry(state.host, environ=AUTH) as there:
            assert find_manifest(there, "v1")
            state.valid = "another"  # the realm is the registry itself, as in many
            assert find_manifest(there, "v1")


def test_a_basic_password_may_be_a_reference(yard: Yard) -> None:
    environ = {**AUTH, "SHIPWAY_REGISTRY_PASSWORD": "secret://env/TEAM_PASSWORD", "TEAM_PASSWORD": "s3cret"}
    with small_registry(user="ann:s3cret") as state:
        assert push(yard, state.host, environ=environ).new_blobs


def test_credentials_are_found_where_docker_login_keeps_them(tmp_path: Path) -> None:
    entry = {"auth": base64.b64encode(b"ann:s3cret").decode()}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example.org": entry}}))
    found = find_credentials("registry.example.org", {"DOCKER_CONFIG": str(tmp_path)})
    assert found is not None
    assert (found.user, found.password) == ("ann", "s3cret")
    assert "s3cret" not in repr(found)
    assert find_credentials("elsewhere.example.org", {"DOCKER_CONFIG": str(tmp_path)}) is None
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RegistryCredentials):
        find_credentials("registry.example.org", {"DOCKER_CONFIG": str(tmp_path)})


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-box"
    helper.write_text('#!/bin/sh\nread host; echo "{\\"Username\\":\\"ann\\",\\"Secret\\":\\"for-$host\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"registry.example.org": "box"}}))
    found = find_credentials("registry.example.org", {"DOCKER_CONFIG": str(tmp_path)})
    assert found is not None
    assert found.password == "for-registry.example.org"


# faults


def test_an_upload_goes_on_where_it_was_cut(yard: Yard, small: State, tmp_path: Path) -> None:
    small.bad.break_put = 2
    done = push(yard, small.host)
    assert small.bad.break_put == 0
    assert small.received < done.new_bytes * 1.1
    pull(other(yard, tmp_path), small.host)


def test_a_download_goes_on_where_it_was_cut(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    small.bad.break_get = 2
    there = other(yard, tmp_path)
    pull(there, small.host)
    assert small.bad.break_get == 0
    hash_bundle(open_stored(there.store, yard.store.resolve("release/delay")))


def test_a_manifest_that_is_cut_is_no_damage_and_worth_another_try(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    small.bad.break_manifest = 1
    there = other(yard, tmp_path)
    with pytest.raises(RegistryDown, match="the connection was cut") as problem:
        pull(there, small.host)
    assert problem.value.retry
    pull(there, small.host)


def test_a_release_that_promises_more_than_the_disk_has_is_not_fetched(yard: Yard, small: State, tmp_path: Path) -> None:
    file = Descriptor("application/vnd.example", digest_bytes(b"x"), 1 << 52)
    model = yard.store.put({"kind": "model", "version": 1, "file": file.to_json()})
    promised = yard.freight(put_release(yard.store, [Component("model", "delay", model)]))
    for manifest in (promised.release, promised.parts[0].manifest):
        small.manifests[manifest.digest] = (manifest.media_type, yard.store.objects.get(manifest.digest))
    small.tags["v1"] = promised.release.digest
    small.blobs[model] = yard.store.objects.get(model)
    with pytest.raises(StoreFull, match="the release needs"):
        pull(other(yard, tmp_path), small.host)
    assert not [path for _, path, _ in small.asked if path.endswith(file.digest)]


def test_an_upload_to_debians_registry_survives_cuts(yard: Yard, debian: str, tmp_path: Path) -> None:
    with cutting_proxy(debian, after=1 << 19, cuts=2) as host:
        push(yard, host, name="cut")
    there = other(yard, tmp_path)
    pull(there, debian, name="cut")
    check_round(yard, there, yard.store.resolve("release/delay"))


def test_a_registry_that_stays_broken_is_told_and_a_rerun_continues(yard: Yard, small: State) -> None:
    small.bad.fail = 1000
    with pytest.raises(RegistryDown, match="answered PUT with 500: UNKNOWN disk on fire") as problem:
        push(yard, small.host)
    assert problem.value.retry
    assert small.tags == {}
    small.bad.fail = 0
    push(yard, small.host)
    before = small.received
    assert push(yard, small.host).new_bytes == 0
    assert small.received - before < 20_000  # manifests of attachments are put again, to hear whether the subject is noted


def test_other_bytes_are_refused_and_nothing_is_named(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    freight = yard.freight(yard.store.resolve("release/delay"))
    model = next(part for part in freight.parts if part.component.kind == "model")
    for wrong in (model.layers[0].digest, model.manifest.digest):
        small.bad.lie = wrong
        refused(other(yard, tmp_path), small.host, BundleDamaged)
    small.bad.lie, small.bad.lose = "", model.layers[0].digest
    refused(other(yard, tmp_path), small.host, BundleDamaged, "is missing")
    small.bad.lose = ""
    pull(other(yard, tmp_path), small.host)


def refused(there: Yard, host: str, kind: type[ShipwayError], words: str = "damaged|other bytes") -> None:
    with pytest.raises(kind, match=words):
        pull(there, host)
    assert there.store.refs() == []


def test_credentials_do_not_follow_a_redirect_to_another_host(yard: Yard, tmp_path: Path) -> None:
    with small_registry() as bucket, small_registry(user="ann:s3cret") as state:
        push(yard, state.host, environ=AUTH)
        bucket.blobs = state.blobs
        state.bad.redirect = f"http://{bucket.host}"
        pull(other(yard, tmp_path), state.host, environ=AUTH)
        assert bucket.asked
        assert {held for _, _, held in bucket.asked} == {""}


def test_nobody_is_sent_to_a_place_without_tls(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    small.bad.redirect = "ftp://registry.example.org"
    refused(other(yard, tmp_path), small.host, RegistryRefused, "without TLS")


def test_nobody_is_sent_to_what_is_no_address(yard: Yard, small: State, tmp_path: Path) -> None:
    push(yard, small.host)
    small.bad.redirect = "http://[::1"
    refused(other(yard, tmp_path), small.host, RegistryRefused, "no address")


def test_a_certificate_is_asked_for_and_believed_when_it_is_trusted(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(words, capture_output=True, check=True)
    freight = yard.freight(yard.store.resolve("release/delay"))
    with docker_registry(tmp_path / "locked", tls=(certificate, key)) as host:
        target = Target(host.replace("127.0.0.1", "localhost"), "team/delay", "v1", plain=False)
        with pytest.raises(RegistryDown, match="its certificate is not trusted"), Registry(target, None) as there:
            push_freight(yard.store, freight, there)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Registry(target, None) as there:
            assert push_freight(yard.store, freight, there).new_blobs


def test_a_registry_that_is_not_there_is_told(yard: Yard) -> None:
    with pytest.raises(RegistryDown, match="cannot be reached"):
        push(yard, f"127.0.0.1:{free_port()}")


def test_what_is_damaged_here_is_not_blamed_on_the_registry(yard: Yard, small: State) -> None:
    freight = yard.freight(yard.store.resolve("release/delay"))
    model = next(part for part in freight.parts if part.component.kind == "model")
    path = yard.store.objects.path(model.layers[0].digest)
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ObjectDamaged), registry(small.host) as there:
        push_freight(yard.store, freight, there)
    assert small.tags == {}


@pytest.mark.parametrize(
    "text", ["", "host", "host/", "host/Name", "host/name:", "host/name@sha256:1", "host/../x", "a b/c", "h/n:t:u"]
)
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(RegistryMalformed):
        parse_target(text)


def test_only_this_machine_is_spoken_to_without_tls() -> None:
    assert parse_target("localhost:5000/x:v").plain
    assert parse_target("[::1]:5000/x:v").plain
    assert not parse_target("registry.example.org/x:v").plain
    assert not parse_target("127.0.0.1.example.org/x:v").plain
    assert parse_target("registry.example.org/x:v", plain=True).plain


# the commands


def test_the_commands_push_and_pull(project: Project, debian: str, tmp_path: Path) -> None:
    release = project.store.resolve("release/line")
    pushed = project.ask("release", "push", "release/line", f"{debian}/line")
    assert pushed["target"] == f"{debian}/line:{short(release)}"
    assert pushed["referrers"] == "tag"
    fresh = project.copy(tmp_path / "fresh")
    pulled = fresh.ask("release", "pull", pushed["target"])
    assert (pulled["release"], pulled["refs"], pulled["new_bytes"]) == (release, ["release/line"], 0)
