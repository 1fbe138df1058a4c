"""Whether what is said about a release counts, and whether it is enough for a deployment: asked of the gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.access import Actor, KeyRing
from shipway.gate import EvidenceFault, Judgement, Policy, Reading, explain_evidence, judge_move, load_policy, revoked
from shipway.kernel import media
from shipway.kernel.check import Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._bundle import Freight
from shipway.release._deployment import deployment_object
from shipway.release._described import printable
from shipway.release._layout import Bundle
from shipway.release._verify_shadow import records, replay, signed_verdicts
from shipway.spec import DeploySpec, NotWorseBy
from shipway.store import Store

_UNFIT = frozenset({EvidenceFault.KEY_EARLY, EvidenceFault.KEY_EXPIRED, EvidenceFault.KEY_ROLE, EvidenceFault.OTHER_PROJECT})
_BY_KEY = _UNFIT | {EvidenceFault.KEY_UNKNOWN, EvidenceFault.KEY_REVOKED}


class StatementWrong(ShipwayError):
    """A statement about the release is not what it should be: changed, malformed, about something else, or signed by a key that
    is unknown or revoked.
    """

    code = "release.statement-wrong"


class ReleaseRevoked(ShipwayError):
    """The release, or a component of it, was revoked."""

    code = "release.revoked"


class EvidenceMissing(ShipwayError):
    """The release has not what the policy asks of it for a deployment."""

    code = "release.evidence-missing"


@dataclass(frozen=True, slots=True)
class Said:
    """A statement about a release: what it is about in words, and whether it counts."""

    release: Digest
    about: str
    reading: Reading

    @property
    def signer(self) -> str:
        """The name of the key, as it is known here; empty for a statement that does not count."""
        return self.reading.statement.key.name if self.reading.statement else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy says of the release for a deployment; `unknown`: what cannot be judged without the project."""

    release: Digest
    ref: str
    policy: Digest
    judgement: Judgement
    unknown: tuple[str, ...]
    verdict: Verdict


def check_statements(bundle: Bundle, store: Store, keys: KeyRing) -> tuple[Said, ...]:
    """Every statement of a bundle, whose shadow the store is, in the order of what it is about."""
    return tuple(
        Said(freight.release.digest, _label(freight, subject), reading)
        for freight in bundle.freights
        for subject in dict.fromkeys(
            carried.attachment.subject for carried in freight.carried if carried.attachment.media_type == media.DSSE
        )
        for reading in explain_evidence(store, keys, subject)
    )


def first_wrong(said: Iterable[Said], *, keys: KeyRing, judged: bool) -> StatementWrong | None:
    """The first statement that is wrong.

    judged: a policy says which statements are needed, so that those whose key alone does not fit are no fault. Nor is it one
    of the statements that no key at all is trusted here.
    """
    pardoned = _BY_KEY if judged else _UNFIT if keys.keys else _UNFIT | {EvidenceFault.KEY_UNKNOWN}
    for one in said:
        fault = one.reading.fault
        revokes = one.reading.predicate_type == media.REVOCATION_PREDICATE  # whoever signed it: not to hear of it is worse
        if fault is not None and (revokes or fault not in pardoned):
            what = f"the statement {one.reading.name or one.reading.predicate_type} about {one.about}: {one.reading.why}"
            mend = "add its public key to the trusted keys" if fault is EvidenceFault.KEY_UNKNOWN else None
            return StatementWrong(what, where=one.reading.envelope, mend=mend)
    return None


def first_revoked(freights: Iterable[Freight], store: Store, keys: KeyRing) -> ReleaseRevoked | None:
    """The first release or component that is revoked, by whom and why."""
    for freight in freights:
        for digest in (freight.release.digest, *(part.component.digest for part in freight.parts)):
            word = revoked(store, keys, digest)
            if word:
                by, why = (printable(str(word.predicate.get(name))) for name in ("by", "why"))
                said = f"by {by} at {instant(word.at)[:16]}Z ({why})"
                what = f"{_label(freight, digest)} was revoked {said}"
                return ReleaseRevoked(what, where=digest, mend="use another release, or ask whoever revoked it")
    return None


def judge_freight(bundle: Bundle, freight: Freight, store: Store, keys: KeyRing, *, ref: str) -> Answer:
    """Whether the policy that came with a release would let it stand at `ref`, by the statements that came with it.

    Raises EvidenceMissing when no policy came with it.
    """
    policy = _policy(bundle, freight, store).at_any_time()
    known = replay(store, signed_verdicts(bundle, freight, store, keys), ref=ref)
    application, _, environment = ref.removeprefix("deploy/").partition("@")
    target = _deployment(bundle, freight, store, application, environment)
    actor = Actor("verify", frozenset({"admin"}))
    judged = judge_move(store, keys, actor, ref=ref, target=target, policy=policy).judgement
    compared = [wanted.name for wanted in policy.rule(ref).require if isinstance(wanted, NotWorseBy)]
    unknown = () if known else tuple(f"{name} against what was live: no signed verdict says what that was" for name in compared)
    verdict = Verdict.INCONCLUSIVE if judged.allowed and unknown else Verdict.PASS if judged.allowed else judged.verdict
    return Answer(freight.release.digest, ref, policy.digest, judged, unknown, verdict)


def missing(answer: Answer) -> EvidenceMissing:
    """The error for an answer that is no pass: the first thing that is missing."""
    lacking = [check for check in answer.judgement.checks if check.verdict is not Verdict.PASS]
    what = answer.judgement.missing[0] if answer.judgement.missing else f"{lacking[0].name}: {lacking[0].verdict}"
    return EvidenceMissing(
        f"{answer.ref} asks for more: {what}", where=f"policy {answer.policy}", mend="shipway check, approve"
    )


def _label(freight: Freight, subject: Digest) -> str:
    if subject == freight.release.digest:
        return "the release"
    part = next((part for part in freight.parts if part.component.digest == subject), None)
    return part.label if part else f"{short(subject)}, which goes with it"


def _policy(bundle: Bundle, freight: Freight, store: Store) -> Policy:
    """The one in force when the release left, as whoever made the bundle says."""
    named = [made.data.digest for made, _ in records(bundle, freight, "policy") if made.name == "policy/main"]
    if not named:
        raise EvidenceMissing("no policy came with the release", where=bundle.files.where, mend="export it again")
    return load_policy(store, named[-1])


def _deployment(bundle: Bundle, freight: Freight, store: Store, application: str, environment: str) -> Digest:
    """The deployment that came with the release, or one as nobody has configured it."""
    ref = f"deploy/{application}@{environment}"
    made = [attachment.data.digest for attachment, _ in records(bundle, freight, "deployment") if attachment.name == ref]
    if made:
        return made[-1]
    spec = DeploySpec(name=f"{application}@{environment}", application=application, environment=environment)
    return store.put(deployment_object(store, freight.release.digest, spec, {}))
