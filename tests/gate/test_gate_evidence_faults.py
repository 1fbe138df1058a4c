"""What does not count as evidence, each with its reason: unknown, revoked, expired, of another project, from the future."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gate_help import START, Bench, Ticking, auc

from shipway.access import KeyRing, LocalSigner, Period, Revoked, TrustedKey
from shipway.gate import EvidenceFault, Reading, attest, explain_evidence, load_evidence, seal
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.store import EvidenceRow, open_store

BOTH = frozenset({"approver", "checker"})
SIGNERS = {"ed25519": LocalSigner(Ed25519PrivateKey.generate()), "ecdsa-p256": LocalSigner(generate_private_key(SECP256R1()))}
BOB = SIGNERS["ed25519"]


def trusted(signer: LocalSigner, name: str = "bob", roles: frozenset[str] = BOTH) -> TrustedKey:
    return TrustedKey(signer.key_id, name, roles, signer.algorithm, public=signer.public)


@dataclass
class Case:
    """A subject with one envelope about it by bob, read with a ring of keys."""

    bench: Bench
    subject: Digest

    def read(self, *keys: TrustedKey) -> Reading:
        ring = KeyRing(keys)
        (reading,) = explain_evidence(self.bench.store, ring, self.subject)
        counting = [statement.envelope for statement in load_evidence(self.bench.store, ring, self.subject)]
        assert counting == ([reading.envelope] if reading.counts else [])
        return reading


@pytest.fixture
def case(tmp_path: Path) -> Case:
    bench = Bench(tmp_path)
    return Case(bench, bench.release("one"))


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_evidence_by_a_key_of_either_algorithm_counts(case: Case, algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    case.bench.attest_check(case.subject, auc(), signer=signer)
    reading = case.read(trusted(signer))
    assert reading.statement is not None
    assert (reading.fault, reading.why, reading.statement.key.name) == (None, "", "bob")
    assert reading.statement.key.algorithm == algorithm


SECOND = timedelta(seconds=1)
SIGNED = START + 2 * SECOND


@pytest.mark.parametrize(
    ("since", "until", "fault"),
    [
        (None, None, None),
        (SIGNED - SECOND, SIGNED + SECOND, None),
        (SIGNED, None, None),
        (SIGNED + SECOND, None, EvidenceFault.KEY_EARLY),
        (None, SIGNED, EvidenceFault.KEY_EXPIRED),
        (None, SIGNED - SECOND, EvidenceFault.KEY_EXPIRED),
    ],
)
def test_a_key_counts_from_since_until_before_until(
    case: Case, since: datetime | None, until: datetime | None, fault: EvidenceFault | None
) -> None:
    case.bench.attest(case.subject, {"check": auc().to_json(), "at": instant(SIGNED)}, signer=BOB)
    assert case.read(replace(trusted(BOB), since=since, until=until)).fault is fault


@pytest.mark.parametrize(
    ("days", "fault", "said"),
    [
        (0, EvidenceFault.KEY_EARLY, "is trusted since 2013-02-02"),
        (1, None, ""),
        (2, EvidenceFault.KEY_EXPIRED, "was trusted until 2013-02-03T00:00:00.000000Z and is trusted since 2013-02-04"),
        (3, None, ""),
        (4, EvidenceFault.KEY_EXPIRED, "was trusted until 2013-02-05T00:00:00.000000Z"),
    ],
)
def test_what_is_dated_while_a_key_was_not_trusted_does_not_count_though_it_was_trusted_again(
    case: Case, days: int, fault: EvidenceFault | None, said: str
) -> None:
    clock, day = case.bench.store.clock, timedelta(days=1)
    assert isinstance(clock, Ticking)
    clock.at += 9 * day
    case.bench.attest(case.subject, {"check": auc().to_json(), "at": instant(START + days * day)}, signer=BOB)
    again = replace(trusted(BOB), since=START + 3 * day, until=START + 4 * day)
    reading = case.read(replace(again, earlier=(Period(START + day, START + 2 * day),)))
    assert reading.fault is fault
    assert said in reading.why


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("chu\x1b[2Jrn\n", r"'chu\x1b[2Jrn\n'"),
        ("\x9b2J\u202e", r"'\x9b2J\u202e'"),
        ("x" * 5000, "x" * 200),
        (["\x1b"], r'["\u001b"]'),
        ("Stra\u00dfe", "Stra\u00dfe"),
    ],
)
def test_a_project_that_is_named_in_control_characters_reaches_no_terminal(case: Case, named: Json, shown: str) -> None:
    case.bench.attest(case.subject, {"check": auc().to_json(), "project": named}, signer=BOB)
    reading = case.read(trusted(BOB))
    assert (reading.fault, reading.why.isprintable()) == (EvidenceFault.OTHER_PROJECT, True)
    assert reading.why == f"the evidence is of project {shown}, not of flights"


def test_nothing_that_a_revoked_key_signed_counts_however_old_it_says_it_is(case: Case) -> None:
    case.bench.attest(
        case.subject, {"approver": "bob", "at": "2001-01-01T00:00:00Z"}, kind=media.APPROVAL_PREDICATE, signer=BOB
    )
    assert case.read(trusted(BOB)).counts
    reading = case.read(replace(trusted(BOB), revoked=Revoked(START, "the laptop was stolen")))
    assert (reading.fault, reading.why) == (EvidenceFault.KEY_REVOKED, "the key of bob is revoked: the laptop was stolen")


def test_evidence_of_an_unknown_key_names_it(case: Case) -> None:
    case.bench.attest_check(case.subject, auc(), signer=BOB)
    reading = case.read()
    assert reading.fault is EvidenceFault.KEY_UNKNOWN
    assert BOB.key_id[:12] in reading.why


@pytest.mark.parametrize(
    ("ahead", "counts"),
    [(timedelta(minutes=-9), True), (timedelta(minutes=4, seconds=50), True), (timedelta(minutes=12), False)],
)
def test_clocks_may_be_five_minutes_apart_and_beyond_that_it_says_how_far(case: Case, ahead: timedelta, counts: bool) -> None:
    at = instant(START + ahead)
    case.bench.attest(case.subject, {"check": auc().to_json(), "at": at}, signer=BOB)
    reading = case.read(trusted(BOB))
    assert reading.counts is counts
    if not counts:
        assert reading.fault is EvidenceFault.FUTURE
        assert reading.why == "the evidence is dated 11 minutes after this machine's clock"


@pytest.mark.parametrize("at", ["yesterday", "", "2013-13-01", "0001-01-01T00:00:00+23:59", 7, [], {}, True])
def test_a_time_that_is_none_is_malformed(case: Case, at: Json) -> None:
    case.bench.attest(case.subject, {"check": auc().to_json(), "at": at}, signer=BOB)
    assert case.read(trusted(BOB)).fault is EvidenceFault.MALFORMED


def test_evidence_replayed_from_another_project_does_not_count(case: Case) -> None:
    other = open_store(case.bench.store.root.parent, "churn", create=True, clock=case.bench.store.clock)
    envelope = attest(
        other,
        BOB,
        subject=case.subject,
        name="it",
        predicate_type=media.APPROVAL_PREDICATE,
        predicate={"approver": "bob"},
        label="",
    )
    row = EvidenceRow(envelope, case.subject, media.APPROVAL_PREDICATE, "approval", START)
    case.bench.store.add_evidence(row)
    reading = case.read(trusted(BOB))
    assert (reading.fault, reading.why) == (EvidenceFault.OTHER_PROJECT, "the evidence is of project churn, not of flights")


def test_so_does_provenance_that_names_its_project_in_slsas_own_place(case: Case) -> None:
    predicate: JsonObject = {"buildDefinition": {"externalParameters": {"project": "churn"}}}
    case.bench.attest(case.subject, predicate, kind=media.PROVENANCE_PREDICATE, signer=BOB)
    assert case.read(trusted(BOB)).fault is EvidenceFault.OTHER_PROJECT


ROLES = [
    (media.APPROVAL_PREDICATE, {"checker"}, False),
    (media.APPROVAL_PREDICATE, {"reader"}, False),
    (media.APPROVAL_PREDICATE, {"operator", "reader", "checker"}, False),
    (media.APPROVAL_PREDICATE, {"operator", "security"}, True),
    (media.APPROVAL_PREDICATE, {"approver"}, True),
    (media.APPROVAL_PREDICATE, {"security"}, True),
    (media.APPROVAL_PREDICATE, {"admin"}, True),
    (media.CHECK_PREDICATE, {"approver"}, False),
    (media.CHECK_PREDICATE, {"security"}, False),
    (media.CHECK_PREDICATE, {"checker"}, True),
    (media.REBUILD_PREDICATE, {"approver"}, False),
    (media.PROVENANCE_PREDICATE, {"admin"}, True),
    ("https://example.org/other/v1", {"approver"}, True),
]


@pytest.mark.parametrize(("kind", "roles", "counts"), ROLES)
def test_a_key_counts_for_what_its_roles_are_for(case: Case, kind: str, roles: set[str], counts: bool) -> None:
    case.bench.attest(case.subject, {"approver": "bob", "check": auc().to_json()}, kind=kind, signer=BOB)
    reading = case.read(trusted(BOB, roles=frozenset(roles)))
    assert (reading.counts, reading.fault) == (counts, None if counts else EvidenceFault.KEY_ROLE)


def test_of_two_signatures_the_one_that_counts_is_enough_in_either_order(case: Case) -> None:
    envelope = case.bench.attest_check(case.subject, auc(), signer=BOB)
    record = json.loads(case.bench.store.objects.get(envelope))
    eve = SIGNERS["ecdsa-p256"]
    theirs = json.loads(resealed(record, eve))["signatures"]
    for signatures in (record["signatures"] + theirs, theirs + record["signatures"]):
        both = case.bench.store.objects.put(canonical_json({**record, "signatures": signatures}))
        row = EvidenceRow(both, case.bench.release(both), media.CHECK_PREDICATE, "auc", START)
        case.bench.store.add_evidence(replace(row, subject=case.subject))
    bad = replace(trusted(eve, "eve"), revoked=Revoked(START, "eve"))
    readings = explain_evidence(case.bench.store, KeyRing([bad, trusted(BOB)]), case.subject)
    assert [reading.statement.key.name for reading in readings if reading.statement] == ["bob"] * 3
    nearest = explain_evidence(case.bench.store, KeyRing([bad]), case.subject)
    assert [reading.fault for reading in nearest] == [EvidenceFault.KEY_UNKNOWN, *[EvidenceFault.KEY_REVOKED] * 2]


def resealed(record: dict[str, str], signer: LocalSigner) -> bytes:
    return seal(signer, base64.b64decode(record["payload"]))


def gone(case: Case, envelope: Digest) -> None:
    case.bench.store.objects.path(envelope).unlink()


def changed(case: Case, envelope: Digest) -> None:
    path = case.bench.store.objects.path(envelope)
    path.chmod(0o644)
    path.write_bytes(b"{}")


@pytest.mark.parametrize(("harm", "fault"), [(gone, EvidenceFault.MISSING), (changed, EvidenceFault.DAMAGED)])
def test_an_envelope_that_is_gone_or_damaged_is_told(
    case: Case, harm: Callable[[Case, Digest], None], fault: EvidenceFault
) -> None:
    harm(case, case.bench.attest_check(case.subject, auc(), signer=BOB))
    assert case.read(trusted(BOB)).fault is fault


def test_an_envelope_with_more_signatures_than_anybody_needs_is_not_read(case: Case) -> None:
    record = json.loads(seal(BOB, b"{}"))
    put = case.bench.store.objects.put(canonical_json({**record, "signatures": record["signatures"] * 65}))
    case.bench.store.add_evidence(EvidenceRow(put, case.subject, media.CHECK_PREDICATE, "auc", START))
    assert case.read(trusted(BOB)).fault is EvidenceFault.MALFORMED


def test_a_judgement_reads_the_envelopes_of_its_own_subjects_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much evidence a store holds about other things."""
    store, mine = case.bench.store, case.bench.attest_check(case.subject, auc(), signer=BOB)
    for number in range(50):
        other = case.bench.release(f"other {number}")
        store.add_evidence(EvidenceRow(mine, other, media.CHECK_PREDICATE, "auc", START))
    read: list[Digest] = []
    get = store.objects.get

    def counted(digest: Digest) -> bytes:
        read.append(digest)
        return get(digest)

    monkeypatch.setattr(store.objects, "get", counted)
    assert len(load_evidence(store, KeyRing([trusted(BOB)]), case.subject)) == 1
    assert read == [mine]
