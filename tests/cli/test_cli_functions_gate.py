"""The lifecycle hook of ECS: what it is told of a release that may start, and of one that may not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "operate"))

from assistant_live import REF, WORSE, Assistant, release, rollback

from shipway.access import open_keys
from shipway.cli._function_gate import gate_event
from shipway.cli._settings import Project, Settings
from shipway.operate import golden_of
from shipway.protocols import EventUnknown
from shipway.release import apply_release, load_components, release_descriptor
from shipway.store import CatalogueDown

pytest_plugins = ["cli_assistant_fixtures"]

ARN = "arn:aws:ecs:eu-west-1:123456789012"


def hook(release: str, deployment: str = "guide@prod") -> dict[str, Any]:
    """As ECS calls a hook: what the service's configuration says, beside where its deployment stands."""
    return {
        "executionId": "8f1c0d3e",
        "lifecycleStage": "PRE_SCALE_UP",
        "resourceArn": f"{ARN}:service-deployment/guides/guide-prod/a1",
        "executionDetails": {
            "serviceArn": f"{ARN}:service/guides/guide-prod",
            "targetServiceRevisionArn": f"{ARN}:service-revision/guides/guide-prod/2",
            "testTrafficWeights": {},
            "productionTrafficWeights": {f"{ARN}:service-revision/guides/guide-prod/1": 100},
        },
        "hookDetails": {"deployment": deployment, "release": release},
    }


def asked(project: Assistant, event: object, **environ: str) -> Mapping[str, object]:
    """What the gate says to a hook, with the keys of the project's folder unless others are named."""
    given = {"SHIPWAY_KEYS": str(project.keys_folder), **environ}
    return gate_event(lambda: Project(Settings(project.root, False, given)), event)


def live_release(project: Assistant) -> str:
    return release_descriptor(project.store.get(project.store.resolve(REF), "deployment")).digest


def test_a_release_that_the_gate_let_in_may_start(live: Assistant) -> None:
    event = hook(live_release(live))
    assert asked(live, event) == {"hookStatus": "SUCCEEDED"}
    assert asked(live, {**event, "hookDetails": json.dumps(event["hookDetails"])}) == {"hookStatus": "SUCCEEDED"}


def test_one_that_was_never_live_there_or_was_revoked_may_not(live: Assistant, capsys: pytest.CaptureFixture[str]) -> None:
    digest = live_release(live)
    assert asked(live, hook("sha256:" + "0" * 64)) == {"hookStatus": "FAILED"}
    assert "release.never-live" in capsys.readouterr().err
    assert asked(live, hook(digest, "guide@staging")) == {"hookStatus": "FAILED"}
    live.ask("release", "revoke", REF, "--why", "it tells secrets")
    assert asked(live, hook(digest)) == {"hookStatus": "FAILED"}
    assert "release.revoked" in capsys.readouterr().err


def test_one_with_a_changed_byte_may_not(live: Assistant, capsys: pytest.CaptureFixture[str]) -> None:
    digest = live_release(live)
    index = next(part.digest for part in load_components(live.store, digest) if part.kind == "index")  # type: ignore[arg-type]
    path = live.store.objects.path(index)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    assert asked(live, hook(digest)) == {"hookStatus": "FAILED"}
    assert "damaged" in capsys.readouterr().err


def test_where_nobody_is_trusted_nothing_may(live: Assistant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(live, hook(live_release(live)), SHIPWAY_KEYS=str(tmp_path)) == {"hookStatus": "FAILED"}
    assert "SHIPWAY_TRUST" in capsys.readouterr().err


def test_a_way_forward_needs_what_the_policy_asks_and_a_way_back_does_not(live: Assistant, tmp_path: Path) -> None:
    """Nothing stands between who is on call and the last good state. Here nobody is trusted who signed an evaluation."""
    other, _ = open_keys(tmp_path / "other")
    (tmp_path / "keys/trusted").mkdir(parents=True)
    (tmp_path / "keys/trusted/other.pem").write_text(other.public)
    good, elsewhere = live_release(live), str(tmp_path / "keys")
    assert asked(live, hook(good), SHIPWAY_KEYS=elsewhere) == {"hookStatus": "FAILED"}
    live.write("answer.md", WORSE)
    hands = live.hands
    worse, golden = release(live), golden_of(hands.store, live.spec)
    said = {"release": worse, "golden": golden, "why": "to see it", "force": True}
    apply_release(hands.store, hands.keys, hands.actor, live.spec, live.deploy, **said)  # type: ignore[arg-type]
    assert live_release(live) != good
    assert asked(live, hook(live_release(live)), SHIPWAY_KEYS=elsewhere) == {"hookStatus": "SUCCEEDED"}, "an admin forced it"
    rollback(live)
    assert live_release(live) == good
    assert asked(live, hook(good), SHIPWAY_KEYS=elsewhere) == {"hookStatus": "SUCCEEDED"}


def test_what_cannot_be_told_now_is_asked_again(live: Assistant) -> None:
    def away() -> Project:
        raise CatalogueDown("the catalogue does not answer")

    assert gate_event(away, hook(live_release(live))) == {"hookStatus": "IN_PROGRESS", "callBackDelay": 60}


@pytest.mark.parametrize(
    "event", [None, {}, {"hookDetails": "{"}, {"hookDetails": {"release": "sha256:0"}}, {"hookDetails": []}]
)
def test_a_hook_that_names_no_release_is_an_error(live: Assistant, event: object) -> None:
    with pytest.raises(EventUnknown, match="names a deployment and a release"):
        asked(live, event)
