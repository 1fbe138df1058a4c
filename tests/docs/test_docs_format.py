"""The stored formats are what docs/format.md says: the code gives those bytes, and the page shows those vectors."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from docs_help import DOCS, SOURCE, Block, blocks, code_words, section, table
from format_cases import SEED, as_record, make_vectors

from shipway.data import Profile
from shipway.evals._goldenset import GOLDEN_ROWS
from shipway.evals._samples import SAMPLES
from shipway.kernel import media
from shipway.kernel.canonical import canonical_json
from shipway.llm import Provider, prompt_from_object
from shipway.models import decode_columns, read_golden
from shipway.monitor import GAP, Baseline
from shipway.operate import CONTROL, ENDPOINT
from shipway.pipeline import MADE
from shipway.rag import MEMBERS
from shipway.release._manifest import RELEASE_TYPE
from shipway.spec import ContractSpec, policy_from_json, policy_to_json
from shipway.store import decode_record, read_counts, read_segment
from shipway.store._tables import metadata

PAGE = DOCS / "format.md"
VECTORS: dict[str, dict[str, Any]] = json.loads((DOCS / "format-vectors.json").read_text())["vectors"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str | int]]:
    return {name: as_record(vector) for name, vector in make_vectors(tmp_path_factory.mktemp("vectors")).items()}


def data_of(name: str) -> bytes:
    vector = VECTORS[name]
    return vector["text"].encode() if "text" in vector else bytes.fromhex(vector["hex"])


def json_of(name: str) -> Any:
    return json.loads(data_of(name))


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_the_code_writes_exactly_the_bytes_of_a_vector(name: str, made: dict[str, dict[str, str | int]]) -> None:
    assert made[name] == VECTORS[name]


def test_every_format_made_here_is_a_vector(made: dict[str, dict[str, str | int]]) -> None:
    assert made.keys() == VECTORS.keys()


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_a_digest_is_the_sha256_of_the_bytes(name: str) -> None:
    data, vector = data_of(name), VECTORS[name]
    assert (vector["size"], vector["digest"]) == (len(data), "sha256:" + hashlib.sha256(data).hexdigest())


def test_the_page_lists_every_vector() -> None:
    listed = {row[0]: (int(row[1]), row[2].strip("`")) for row in table(section(PAGE, "Test vectors").text)}
    assert listed == {name: (vector["size"], vector["digest"]) for name, vector in VECTORS.items()}


def test_the_page_shows_vectors_as_they_are() -> None:
    shown = [block for block in blocks(PAGE.read_text()) if block.vector]
    assert len(shown) > 30
    for block in shown:
        assert block.vector is not None
        assert shown_bytes(block) == data_of(block.vector), block.vector


def shown_bytes(block: Block) -> bytes:
    """What a block of the page stands for: one value, a value a line, or hexadecimal."""
    if block.language == "json":
        return canonical_json(json.loads(block.text))
    if block.language == "jsonl":
        return b"".join(canonical_json(json.loads(line)) + b"\n" for line in block.text.splitlines())
    return bytes.fromhex("".join(block.text.split()))


@pytest.mark.parametrize("name", [name for name, vector in sorted(VECTORS.items()) if "text" in vector and vector["size"]])
def test_canonical_json_is_what_another_writer_gives(name: str) -> None:
    """Sorted keys, no white space, UTF-8: enough for all vectors but those that are about numbers and order."""
    if name in ("canonical-numbers", "canonical-order"):
        return
    data = data_of(name)
    lines = data.splitlines() if data.endswith(b"\n") else [data]
    for line in lines:
        plain = json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert plain == line


def test_keys_are_in_the_order_of_their_utf16_units() -> None:
    keys = re.findall(r'"([^"]+)":', VECTORS["canonical-order"]["text"])
    outer = [key for key in keys if key not in ("y", "z")]
    assert outer == sorted(outer, key=lambda key: key.encode("utf-16-be"))
    assert outer != sorted(outer), "the vector has a key on which the two orders differ"


def test_an_envelope_is_signed_over_the_pre_authentication_encoding() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for name in ("envelope-small", "envelope-check", "envelope-approval", "envelope-revocation", "envelope-rebuild"):
        envelope = json_of(name)
        kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        (signature,) = envelope["signatures"]
        signed = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
        assert signature["keyid"] == hashlib.sha256(raw).hexdigest()
        key.verify(base64.b64decode(signature["sig"]), signed)
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(signature["sig"]), payload)


@pytest.mark.parametrize("predicate", ["check", "approval", "revocation", "rebuild"])
def test_the_payload_of_an_envelope_is_its_statement(predicate: str) -> None:
    envelope, statement = json_of(f"envelope-{predicate}"), json_of(f"statement-{predicate}")
    assert base64.b64decode(envelope["payload"]) == data_of(f"statement-{predicate}")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == f"https://shipway.dev/{predicate}/v1"


def test_columns_are_read_by_anybody_with_messagepack() -> None:
    version, entries = msgspec.msgpack.decode(data_of("columns"))
    assert version == 1
    assert [entry[:2] for entry in entries] == [["n", "INT64"], ["x", "FP64"], ["late", "BOOL"], ["carrier", "BYTES"]]
    assert struct.unpack("<2q", entries[0][2]) == (1, 2)
    assert struct.unpack("<d", entries[1][2][:8]) == (0.5,)
    assert entries[2:] == [["late", "BOOL", b"\x01\x00"], ["carrier", "BYTES", ["UA", None]]]
    assert decode_columns(data_of("columns"))["n"].tolist() == [1, 2]


def test_a_segment_is_magic_and_frames_with_a_crc_over_rows_and_payload(tmp_path: Path) -> None:
    data, at, frames = data_of("segment"), 8, []
    assert data[:8] == b"SHWLOG1\n"
    while at < len(data):
        length, crc, rows = struct.unpack_from("<III", data, at)
        payload = data[at + 12 : at + 12 + length]
        assert crc == zlib.crc32(struct.pack("<I", rows) + payload)
        frames.append((rows, payload))
        at += 12 + length
    assert frames == [(2, b"opaque"), (1, data_of("record-outcome"))]
    path = tmp_path / "w-00000001.seg"
    path.write_bytes(data)
    assert read_segment(path).frames == tuple(frames)


def test_a_count_file_is_magic_and_seven_numbers(tmp_path: Path) -> None:
    data = data_of("count-file")
    assert (len(data), data[:8]) == (64, b"SHWCNT1\n")
    path = tmp_path / "w.count"
    path.write_bytes(data)
    counts = read_counts(path)
    assert counts is not None
    assert tuple(counts) == struct.unpack("=7Q", data[8:])
    assert (counts.accepted, counts.written, counts.sealed, counts.dropped) == (3, 3, 0, 0)


@pytest.mark.parametrize("name", ["record-prediction", "record-outcome", "record-call"])
def test_a_log_record_says_its_type_and_version_first(name: str) -> None:
    record = msgspec.msgpack.decode(data_of(name))
    assert list(record)[:2] == ["type", "v"]
    assert (record["type"], record["v"]) == (
        msgspec.structs.asdict(decode_record(data_of(name))).get("type", record["type"]),
        1,
    )


def test_what_was_stored_is_read_again() -> None:
    assert ContractSpec.from_json(json_of("contract")).to_json() == json_of("contract")
    assert set(policy_from_json(json_of("policy"))) == {"deploy/model@prod"}
    assert canonical_json(Profile.from_json(json_of("profile")).to_json()) == data_of("profile")
    assert read_golden(data_of("golden"))[1]["probability"].tolist() == [0.25, 0.75]


def test_what_was_stored_of_an_application_that_answers_is_read_again() -> None:
    record = json_of("prompt")
    assert prompt_from_object(record).to_object(record["provider"], record["retrieve"]) == record
    for name in ("provider", "provider-local"):
        assert Provider.from_object("answer", json_of(name)).to_object() == json_of(name)
    assert canonical_json(Baseline.from_object(json_of("baseline")).to_object()) == data_of("baseline")
    assert set(policy_from_json(json_of("policy-golden"))) == {"deploy/assistant@prod"}


def test_an_index_version_leads_to_its_chunks_and_their_vectors() -> None:
    index, members = json_of("index"), [json.loads(line) for line in data_of("members").splitlines()]
    for name in ("members", "vectors"):
        assert index[name]["digest"] == VECTORS[name]["digest"]
    for member in members:
        embedded = "\n".join(filter(None, [member["heading"], member["text"]]))
        assert member["chunk"] == "sha256:" + hashlib.sha256(embedded.encode()).hexdigest()
    vectors = np.load(io.BytesIO(data_of("vectors")), allow_pickle=False)
    assert vectors.shape == (len(members), index["embedder"]["dimension"]) == (index["chunks"], 4)
    assert (vectors.dtype.str, np.linalg.norm(vectors, axis=1).tolist()) == ("<f4", [1.0, 1.0])


def test_a_policy_says_everything_in_one_form() -> None:
    stored = json_of("policy-rules")
    assert policy_to_json(policy_from_json(stored))["rules"] == stored["rules"]
    assert stored["order"] == {"deploy/model@prod": "staging"}
    assert json_of("verdict-forced")["forced"] is True


def test_a_policy_and_evidence_name_the_same_golden_set_and_its_rows_are_there() -> None:
    definition = VECTORS["goldenset"]["digest"]
    assert json_of("policy-golden")["definitions"]["golden"] == {"golden": definition}
    assert json_of("statement-evaluation")["predicate"]["definition"] == definition
    assert json_of("statement-evaluation")["predicate"]["samples"]["digest"] == VECTORS["samples"]["digest"]
    assert json_of("goldenset")["rows"]["digest"] == VECTORS["golden-rows"]["digest"]
    assert json_of("deployment-gateway")["gateway"]["prices"] == VECTORS["prices"]["digest"]


def test_a_release_leads_to_every_object_by_its_digest() -> None:
    digests = {vector["digest"]: name for name, vector in VECTORS.items()}
    for entry in [*json_of("release")["manifests"], *json_of("release-prompt")["manifests"]]:
        notes = entry["annotations"]
        assert digests[entry["digest"]] == f"manifest-{notes['dev.shipway.kind']}"
        config = json_of(digests[entry["digest"]])["config"]
        assert (config["digest"], config["size"]) == (notes["dev.shipway.object"], VECTORS[digests[config["digest"]]]["size"])


def test_the_media_types_are_those_of_the_code() -> None:
    rows = table(section(PAGE, "Media types").text)
    shown = {word for row in rows for word in code_words(row[1])}
    constants = {value for name, value in vars(media).items() if name.isupper() and isinstance(value, str)}
    own = {value for value in constants if value.startswith(("application/", "text/"))}
    template = "application/vnd.shipway.K.v1+json"
    own |= {MEMBERS, GOLDEN_ROWS, SAMPLES}
    leaves = {"application/vnd.shipway.profile.v1+json+gzip", "application/vnd.shipway.profiles.v1+msgpack+gzip"}
    assert shown == own | leaves | {RELEASE_TYPE, template}
    assert {value for value in constants if "https://" in value} <= set(
        re.findall(r"https://\S+/v[\d.]*\d", PAGE.read_text())
    ) | {media.STATEMENT}


def test_the_kinds_of_objects_are_those_of_the_vectors() -> None:
    listed = section(PAGE, "Media types").text.rpartition("Kinds with such a type:")[2]
    manifests = [json_of(name) for name in VECTORS if name.startswith("manifest-")]
    used = {blob["mediaType"] for manifest in manifests for blob in (manifest["config"], *manifest["layers"])}
    shipway = {kind.split(".")[2] for kind in used if kind.startswith("application/vnd.shipway.") and kind.endswith("+json")}
    assert set(code_words(listed)) == shipway


def test_the_catalogue_has_the_tables_of_the_page() -> None:
    rows = table(section(PAGE, "Catalogue").text)
    shown = {code_words(row[0])[0]: code_words(row[1]) for row in rows}
    assert shown == {name: list(found.columns.keys()) for name, found in metadata.tables.items()}


def test_every_kind_of_state_is_on_the_page() -> None:
    shown = {code_words(row[0])[0] for row in table(section(PAGE, "State kinds").text)}
    assert {GAP, CONTROL, ENDPOINT, MADE} <= shown
    assert shown == state_kinds_of_the_code()


def state_kinds_of_the_code() -> set[str]:
    """The first argument of every put_state and put_states, a constant of the same module or of another one."""
    texts = {path: path.read_text() for path in SOURCE.rglob("*.py")}
    everywhere: dict[str, str] = {}
    for text in texts.values():
        everywhere |= constants_of(text)
    found: set[str] = set()
    for path, text in texts.items():
        if path.parts[-2] != "store":
            names = re.findall(r"\.put_states?\((\w+),", text)
            found |= {constants_of(text).get(name) or everywhere[name] for name in names}
    return found


def constants_of(text: str) -> dict[str, str]:
    """The words that a module names, one a line or several."""
    found: dict[str, str] = {}
    for match in re.finditer(r"^([A-Z_]+(?:, [A-Z_]+)*) = (\"[a-z]+\"(?:, \"[a-z]+\")*)", text, re.M):
        names, values = match[1].split(", "), [value.strip('"') for value in match[2].split(", ")]
        found |= dict(zip(names, values, strict=True)) if len(names) == len(values) else {}
    return found
