"""GitLab CI: the plan of a merge request as an artifact, and on the default branch a release that goes through its gates."""

from __future__ import annotations

from shipway.deploy._ci import (
    APPLY,
    KEYS,
    MINUTES,
    SHOW_PLAN,
    UNPACK_KEYS,
    Deploying,
    deploying,
    make_commands,
    needs_aws,
)
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "gitlab"
PATH = ".gitlab-ci.yml"
MERGE_REQUEST = "$CI_PIPELINE_SOURCE == 'merge_request_event'"
DEFAULT_BRANCH = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"
TOKEN = "/dev/shm/shipway-token"  # noqa: S108 - a path in the memory of the job's own container


def compile_gitlab(subject: Subject) -> Files:
    """One pipeline; secrets are variables by their names. Raises NothingToRender, NamesCollide, CannotExpress."""
    order = deploying(subject, target=TARGET, taken=("plan", "release", "default", "stages", "variables", "workflow"))
    pipeline: JsonObject = {
        "workflow": {"rules": [{"if": MERGE_REQUEST}, {"if": DEFAULT_BRANCH}]},
        "stages": ["plan", "release", "deploy"],
        "default": _default(subject),
        "variables": {**subject.environ, "SHIPWAY_KEYS": KEYS, **_aws_variables(subject)},
        "plan": _plan(order),
        "release": {
            "stage": "release",
            "rules": [{"if": DEFAULT_BRANCH}],
            "script": make_commands(subject),
        },
        **{item.job: _deploy(item) for item in order},
    }
    return {PATH: yaml_text([pipeline], target=TARGET)}


def _default(subject: Subject) -> JsonObject:
    before: list[Json] = [UNPACK_KEYS]
    if needs_aws(subject):
        before.append(f"printf '%s' \"$SHIPWAY_AWS_TOKEN\" > {TOKEN}")
    tokens: JsonObject = {"id_tokens": {"SHIPWAY_AWS_TOKEN": {"aud": "sts.amazonaws.com"}}} if needs_aws(subject) else {}
    return {
        "image": {"name": subject.image, "entrypoint": [""]},
        "timeout": f"{MINUTES} minutes",
        "interruptible": False,
        **tokens,
        "before_script": before,
    }


def _aws_variables(subject: Subject) -> JsonObject:
    """Those of AWS's own clients: a role is assumed with the token that GitLab signs. SHIPWAY_ROLE_ARN is a variable."""
    if not needs_aws(subject):
        return {}
    region = subject.targets.aws.region
    return {"AWS_REGION": region, "AWS_ROLE_ARN": "$SHIPWAY_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN}


def _plan(order: list[Deploying]) -> JsonObject:
    script = [line for item in order for line in _shown(item.service)]
    return {
        "stage": "plan",
        "rules": [{"if": MERGE_REQUEST}],
        "variables": {"SHIPWAY_ACTOR": "$GITLAB_USER_LOGIN"},
        "script": script,
        "artifacts": {"paths": ["plan-*.txt"], "expire_in": "1 week"},
    }


def _shown(service: Service) -> list[Json]:
    file = f"plan-{service.application}-{service.environment}.txt"
    return [f"export DEPLOYMENT={service.name}", f"{SHOW_PLAN}\ncp plan.txt {file}"]


def _deploy(item: Deploying) -> JsonObject:
    return {
        "stage": "deploy",
        "needs": [item.after or "release"],
        "rules": [{"if": DEFAULT_BRANCH}],
        "environment": {"name": item.service.environment},
        "resource_group": item.job,
        "variables": {
            "DEPLOYMENT": item.service.name,
            "WHY": "merged as $CI_COMMIT_SHA",
            "SHIPWAY_ACTOR": "$GITLAB_USER_LOGIN",
        },
        "script": [APPLY],
    }
