"""Policy, verdicts, evidence, and the one function that moves a ref."""

from shipway.gate._envelope import EvidenceFault, EvidenceInvalid, seal, unseal
from shipway.gate._evidence import Reading, Statement, attest, explain_evidence, explain_row, load_evidence
from shipway.gate._facts import Before, Facts, Judgement
from shipway.gate._foreign import LARGEST, Bound, Found, ImportRefused
from shipway.gate._import import FORMATS, Imported, import_check, read_foreign
from shipway.gate._judge import judge
from shipway.gate._lockout import locks_out
from shipway.gate._move import FORCED, Judged, Moved, MoveRefused, PlannedMove, PolicyLocksOut, judge_move, move_ref
from shipway.gate._opened import ENVELOPES
from shipway.gate._policy import DEFAULT_POLICY, POLICY_REF, Policy, load_policy, policy_digest, policy_in_force, policy_object
from shipway.gate._rejection import rejections
from shipway.gate._revocation import ReasonMissing, revoke, revoked
from shipway.gate._subjects import ANNOTATION, Subject, TargetWrong, arms_in, arms_of, check_target, release_of, subjects_of
from shipway.gate._summary import attest_verdict
from shipway.gate._test_result import render_test_result
from shipway.gate._timing import TIMING

__all__ = [
    "ANNOTATION",
    "DEFAULT_POLICY",
    "ENVELOPES",
    "FORCED",
    "FORMATS",
    "LARGEST",
    "POLICY_REF",
    "TIMING",
    "Before",
    "Bound",
    "EvidenceFault",
    "EvidenceInvalid",
    "Facts",
    "Found",
    "ImportRefused",
    "Imported",
    "Judged",
    "Judgement",
    "MoveRefused",
    "Moved",
    "PlannedMove",
    "Policy",
    "PolicyLocksOut",
    "Reading",
    "ReasonMissing",
    "Statement",
    "Subject",
    "TargetWrong",
    "arms_in",
    "arms_of",
    "attest",
    "attest_verdict",
    "check_target",
    "explain_evidence",
    "explain_row",
    "import_check",
    "judge",
    "judge_move",
    "load_evidence",
    "load_policy",
    "locks_out",
    "move_ref",
    "policy_digest",
    "policy_in_force",
    "policy_object",
    "read_foreign",
    "rejections",
    "release_of",
    "render_test_result",
    "revoke",
    "revoked",
    "seal",
    "subjects_of",
    "unseal",
]
