"""The documents of `/api/v1`: facts as JSON, each with its kind, its version and the command that says the same."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import QueryParams

from shipway.evals import load_reviews
from shipway.monitor import READING
from shipway.store import Store
from shipway.web import _query as query
from shipway.web._params import check_known, read_choice, read_limit
from shipway.web._reviews import review_document

Document = dict[str, object]


def deployments(store: Store, params: QueryParams, endpoints: Mapping[str, str]) -> Document:
    """What is live."""
    check_known(params)
    live, problems = query.load_live(store)
    rows = [{"ref": ref, **facts.to_json(), "endpoint": endpoints.get(ref)} for ref, facts in live.items()]
    return document("deployments", "shipway log", deployments=rows, problems=list(problems))


def refs(store: Store, params: QueryParams) -> Document:
    """What every ref points at."""
    check_known(params)
    return document("refs", "shipway log --json", refs=[{"ref": ref.name, "digest": ref.digest} for ref in store.refs()])


def log(store: Store, params: QueryParams) -> Document:
    """Who moved what; of all refs when none is named."""
    check_known(params, "ref", "limit")
    ref = params.get("ref")
    history = query.load_history(store, ref, limit=read_limit(params, default=20))
    return document("log", f"shipway log {ref or 'REF'} --json", ref=ref, history=[move.to_json() for move in history])


def windows(store: Store, params: QueryParams) -> Document:
    """The verdicts on the days of a deployment, oldest first."""
    check_known(params, "ref")
    ref = params.get("ref")
    return document("windows", _watch(ref), ref=ref, windows=query.load_states(store, query.WINDOW, ref))


def alerts(store: Store, params: QueryParams) -> Document:
    """The alerts of a deployment, by monitor."""
    check_known(params, "ref", "status")
    ref, status = params.get("ref"), read_choice(params, "status", ("open", "resolved"))
    found = query.load_states(store, query.ALERT, ref)
    return document("alerts", _watch(ref), ref=ref, alerts=[row for row in found if status in (None, row.get("status"))])


def readings(store: Store, params: QueryParams) -> Document:
    """What the monitors on the wall clock said last of a deployment, with their history."""
    check_known(params, "ref")
    ref = params.get("ref")
    return document("readings", _watch(ref), ref=ref, readings=query.load_states(store, READING, ref))


def costs(store: Store, params: QueryParams) -> Document:
    """What the answers of a deployment cost: per answer, per release, per key, and what the caches saved."""
    check_known(params, "ref")
    ref = params.get("ref")
    return document("costs", _command("gateway cost", ref), ref=ref, costs=query.load_costs(store, ref))


def evaluations(store: Store, params: QueryParams) -> Document:
    """Evaluations of a deployment's releases and of its candidate, metric by metric."""
    check_known(params, "ref")
    ref = params.get("ref")
    return document("evaluations", _command("eval", ref), ref=ref, evaluations=query.load_evaluated(store, ref))


def reviews(store: Store, params: QueryParams) -> Document:
    """The review queue. Of an open item nothing is told that would sway who rates it: neither releases nor the judge."""
    check_known(params, "status")
    status = read_choice(params, "status", ("open", "rated"))
    found = [review for review in load_reviews(store) if status is None or review.open == (status == "open")]
    return document("reviews", "shipway eval --json", reviews=[review_document(review) for review in found])


def gaps(store: Store, params: QueryParams) -> Document:
    """What the logs have lost."""
    check_known(params)
    return document("gaps", _watch(None), gaps=query.load_gaps(store))


def _watch(ref: str | None) -> str:
    return _command("watch", ref)


def _command(words: str, ref: str | None) -> str:
    return f"shipway {words} {(ref or '').removeprefix('deploy/')}".strip() + " --json"


def document(kind: str, command: str, **content: object) -> Document:
    """What every document begins with."""
    return {"kind": kind, "version": 1, "command": command, **content}
