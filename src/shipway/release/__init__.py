"""Releases and deployments: manifest, candidate, plan, apply, rollback, rebuild."""

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.release._answering import NothingToRelease, Weights, gateway_settings, provider_object
    from shipway.release._apply import (
        NothingToReturnTo,
        PolicyUnmeetable,
        apply_plan,
        apply_release,
        policy_change,
        publish_policy,
        roll_back,
        way_back,
    )
    from shipway.release._approve import approve_object, approve_release, comment_on, reject_object
    from shipway.release._arms import Arm, ArmsRefused, AskedArm, Split, arms_at, plan_split, split_of
    from shipway.release._attachment import Attachment, attach, attachments_of
    from shipway.release._bom import BOM, BomUnavailable, render_bom
    from shipway.release._bundle import BundleDamaged, BundleMalformed, Freight
    from shipway.release._bundle_import import Imported, ImportUnnamed, import_bundle, name_freight
    from shipway.release._bundle_make import load_freight
    from shipway.release._candidate import Candidate, lock_release, make_release
    from shipway.release._card import CARD, render_card
    from shipway.release._changes import Change, deployment_changes, release_changes
    from shipway.release._child import child_release
    from shipway.release._data_sets import DataSet, list_data
    from shipway.release._deployment import (
        deploy_ref,
        deployment_object,
        metrics_of,
        monitors_of,
        outcomes_of,
        predictors_of,
        release_descriptor,
        schedule_of,
        speaks_grpc,
        with_release,
        workers_of,
    )
    from shipway.release._describe import describe_change
    from shipway.release._described import Described, Look
    from shipway.release._diff import Difference, KindsDiffer, compare_objects
    from shipway.release._dossier import Against, Dossier, Listed, Part, list_releases, load_approvals, load_dossier
    from shipway.release._facts import ReleaseFacts, load_facts
    from shipway.release._find import Found, ObjectUnknown, find_object, kind_of
    from shipway.release._intact import ReleaseDamaged, check_intact
    from shipway.release._known import Known
    from shipway.release._layout import Bundle, open_bundle
    from shipway.release._layout_tar_write import write_tar
    from shipway.release._layout_write import Exported, ExportRefused, write_folder
    from shipway.release._lineage import Lineage, lineage_edges, note_lineage, trace_lineage, using_releases
    from shipway.release._manifest import Component, ReleaseMalformed, find_component, load_components, put_release, reach
    from shipway.release._model_signature import ModelUnsigned, SignedModel, model_bundle, sign_models
    from shipway.release._openlineage import Run, Used, recorded_runs, run_events, run_uuid
    from shipway.release._openlineage_send import LINEAGE_ENDPOINT, EventsUnsent, Receiver, send_events
    from shipway.release._pinned import (
        BundleUnclear,
        CodeUnsigned,
        NeverLive,
        Unpacked,
        pinned_deployment,
        pinned_with_arms,
        unpack_bundle,
    )
    from shipway.release._plan import NoCandidate, Plan, candidate_of, make_plan
    from shipway.release._plan_json import change_document, gate_document, plan_document
    from shipway.release._planned import (
        KeptPlan,
        PlanAltered,
        PlanForeign,
        PlanMalformed,
        PlanStale,
        PlanVersion,
        apply_planned,
        draft_plan,
        keep_plan,
        load_plan,
    )
    from shipway.release._reason import Reason, render_reason
    from shipway.release._rebuild import attest_rebuild, rebuild_release
    from shipway.release._rebuild_folder import RebuildRefused
    from shipway.release._rebuilt import Equality, Rebuilt
    from shipway.release._registry_auth import RegistryCredentials, find_credentials
    from shipway.release._registry_http import Registry, RegistryDown, RegistryRefused
    from shipway.release._registry_pull import Pulled, pull_freight
    from shipway.release._registry_push import Pushed, push_freight
    from shipway.release._registry_target import RegistryMalformed, Target, parse_target
    from shipway.release._review import RefReview, load_review, waiting_at
    from shipway.release._stages import Stage, stages_of
    from shipway.release._verify import Hashed, hash_bundle, open_stored
    from shipway.release._verify_all import Passed, Verification, verify_bundle
    from shipway.release._verify_statements import Answer, EvidenceMissing, ReleaseRevoked, Said, StatementWrong
    from shipway.release._wheels import WHEELS, keep_wheels, restore_wheels
    from shipway.release._why import explain_move, explain_ref, live_release
    from shipway.release._why_evidence import explain_envelope
    from shipway.release._why_object import explain_object

_HOME = {
    "_answering": ["NothingToRelease", "Weights", "gateway_settings", "provider_object"],
    "_apply": [
        "NothingToReturnTo",
        "PolicyUnmeetable",
        "apply_plan",
        "apply_release",
        "policy_change",
        "publish_policy",
        "roll_back",
        "way_back",
    ],
    "_approve": ["approve_object", "approve_release", "comment_on", "reject_object"],
    "_arms": ["Arm", "ArmsRefused", "AskedArm", "Split", "arms_at", "plan_split", "split_of"],
    "_attachment": ["Attachment", "attach", "attachments_of"],
    "_bom": ["BOM", "BomUnavailable", "render_bom"],
    "_bundle": ["BundleDamaged", "BundleMalformed", "Freight"],
    "_bundle_import": ["ImportUnnamed", "Imported", "import_bundle", "name_freight"],
    "_bundle_make": ["load_freight"],
    "_candidate": ["Candidate", "lock_release", "make_release"],
    "_card": ["CARD", "render_card"],
    "_changes": ["Change", "deployment_changes", "release_changes"],
    "_child": ["child_release"],
    "_deployment": [
        "deploy_ref",
        "deployment_object",
        "metrics_of",
        "monitors_of",
        "outcomes_of",
        "schedule_of",
        "schedule_of",
        "predictors_of",
        "release_descriptor",
        "with_release",
        "speaks_grpc",
        "workers_of",
    ],
    "_describe": ["describe_change"],
    "_described": ["Described", "Look"],
    "_diff": ["Difference", "KindsDiffer", "compare_objects"],
    "_data_sets": ["DataSet", "list_data"],
    "_dossier": ["Against", "Dossier", "Listed", "Part", "list_releases", "load_approvals", "load_dossier"],
    "_facts": ["ReleaseFacts", "load_facts"],
    "_find": ["Found", "ObjectUnknown", "find_object", "kind_of"],
    "_intact": ["ReleaseDamaged", "check_intact"],
    "_known": ["Known"],
    "_layout": ["Bundle", "open_bundle"],
    "_layout_tar_write": ["write_tar"],
    "_layout_write": ["ExportRefused", "Exported", "write_folder"],
    "_lineage": ["Lineage", "lineage_edges", "note_lineage", "trace_lineage", "using_releases"],
    "_manifest": ["Component", "ReleaseMalformed", "find_component", "load_components", "put_release", "reach"],
    "_model_signature": ["ModelUnsigned", "SignedModel", "model_bundle", "sign_models"],
    "_openlineage": ["Run", "Used", "recorded_runs", "run_events", "run_uuid"],
    "_openlineage_send": ["EventsUnsent", "LINEAGE_ENDPOINT", "Receiver", "send_events"],
    "_pinned": [
        "BundleUnclear",
        "CodeUnsigned",
        "NeverLive",
        "Unpacked",
        "pinned_deployment",
        "pinned_with_arms",
        "unpack_bundle",
    ],
    "_plan": ["NoCandidate", "Plan", "candidate_of", "make_plan"],
    "_plan_json": ["change_document", "gate_document", "plan_document"],
    "_planned": [
        "KeptPlan",
        "PlanAltered",
        "PlanForeign",
        "PlanMalformed",
        "PlanStale",
        "PlanVersion",
        "apply_planned",
        "draft_plan",
        "keep_plan",
        "load_plan",
    ],
    "_reason": ["Reason", "render_reason"],
    "_rebuild": ["attest_rebuild", "rebuild_release"],
    "_rebuild_folder": ["RebuildRefused"],
    "_rebuilt": ["Equality", "Rebuilt"],
    "_registry_auth": ["RegistryCredentials", "find_credentials"],
    "_registry_http": ["Registry", "RegistryDown", "RegistryRefused"],
    "_registry_pull": ["Pulled", "pull_freight"],
    "_registry_push": ["Pushed", "push_freight"],
    "_registry_target": ["RegistryMalformed", "Target", "parse_target"],
    "_review": ["RefReview", "load_review", "waiting_at"],
    "_stages": ["Stage", "stages_of"],
    "_verify": ["Hashed", "hash_bundle", "open_stored"],
    "_verify_all": ["Passed", "Verification", "verify_bundle"],
    "_verify_statements": ["Answer", "EvidenceMissing", "ReleaseRevoked", "Said", "StatementWrong"],
    "_wheels": ["WHEELS", "keep_wheels", "restore_wheels"],
    "_why": ["explain_move", "explain_ref", "live_release"],
    "_why_evidence": ["explain_envelope"],
    "_why_object": ["explain_object"],
}

__all__ = [
    "BOM",
    "CARD",
    "LINEAGE_ENDPOINT",
    "WHEELS",
    "Against",
    "Answer",
    "Arm",
    "ArmsRefused",
    "AskedArm",
    "Attachment",
    "BomUnavailable",
    "Bundle",
    "BundleDamaged",
    "BundleMalformed",
    "BundleUnclear",
    "Candidate",
    "Change",
    "CodeUnsigned",
    "Component",
    "DataSet",
    "Described",
    "Difference",
    "Dossier",
    "Equality",
    "EventsUnsent",
    "EvidenceMissing",
    "ExportRefused",
    "Exported",
    "Found",
    "Freight",
    "Hashed",
    "ImportUnnamed",
    "Imported",
    "KeptPlan",
    "KindsDiffer",
    "Known",
    "Lineage",
    "Listed",
    "Look",
    "ModelUnsigned",
    "NeverLive",
    "NoCandidate",
    "NothingToRelease",
    "NothingToReturnTo",
    "ObjectUnknown",
    "Part",
    "Passed",
    "Plan",
    "PlanAltered",
    "PlanForeign",
    "PlanMalformed",
    "PlanStale",
    "PlanVersion",
    "PolicyUnmeetable",
    "Pulled",
    "Pushed",
    "Reason",
    "RebuildRefused",
    "Rebuilt",
    "Receiver",
    "RefReview",
    "Registry",
    "RegistryCredentials",
    "RegistryDown",
    "RegistryMalformed",
    "RegistryRefused",
    "ReleaseDamaged",
    "ReleaseFacts",
    "ReleaseMalformed",
    "ReleaseRevoked",
    "Run",
    "Said",
    "SignedModel",
    "Split",
    "Stage",
    "StatementWrong",
    "Target",
    "Unpacked",
    "Used",
    "Verification",
    "Weights",
    "apply_plan",
    "apply_planned",
    "apply_release",
    "approve_object",
    "approve_release",
    "arms_at",
    "attach",
    "attachments_of",
    "attest_rebuild",
    "candidate_of",
    "change_document",
    "check_intact",
    "child_release",
    "comment_on",
    "compare_objects",
    "deploy_ref",
    "deployment_changes",
    "deployment_object",
    "describe_change",
    "draft_plan",
    "explain_envelope",
    "explain_move",
    "explain_object",
    "explain_ref",
    "find_component",
    "find_credentials",
    "find_object",
    "gate_document",
    "gateway_settings",
    "hash_bundle",
    "import_bundle",
    "keep_plan",
    "keep_wheels",
    "kind_of",
    "lineage_edges",
    "list_data",
    "list_releases",
    "live_release",
    "load_approvals",
    "load_components",
    "load_dossier",
    "load_facts",
    "load_freight",
    "load_plan",
    "load_review",
    "lock_release",
    "make_plan",
    "make_release",
    "metrics_of",
    "model_bundle",
    "monitors_of",
    "name_freight",
    "note_lineage",
    "open_bundle",
    "open_stored",
    "outcomes_of",
    "parse_target",
    "pinned_deployment",
    "pinned_with_arms",
    "plan_document",
    "plan_split",
    "policy_change",
    "predictors_of",
    "provider_object",
    "publish_policy",
    "pull_freight",
    "push_freight",
    "put_release",
    "reach",
    "rebuild_release",
    "recorded_runs",
    "reject_object",
    "release_changes",
    "release_descriptor",
    "render_bom",
    "render_card",
    "render_reason",
    "restore_wheels",
    "roll_back",
    "run_events",
    "run_uuid",
    "schedule_of",
    "send_events",
    "sign_models",
    "speaks_grpc",
    "split_of",
    "stages_of",
    "trace_lineage",
    "unpack_bundle",
    "using_releases",
    "verify_bundle",
    "waiting_at",
    "way_back",
    "with_release",
    "workers_of",
    "write_folder",
    "write_tar",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
