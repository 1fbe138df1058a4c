"""GitHub Actions: the plan of a pull request in its summary, and on main a release that goes through its gates.

Every action is pinned by commit, every job has the least permissions, nothing that a stranger writes reaches a shell, and
AWS is entered by a role that trusts this repository (OIDC), not by a stored key.
"""

from __future__ import annotations

import re

from shipway.deploy._ci import (
    APPLY,
    KEYS,
    MINUTES,
    SHOW_PLAN,
    UNPACK_KEYS,
    Deploying,
    deploying,
    job_secrets,
    make_commands,
    needs_aws,
)
from shipway.deploy._subject import Service, Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "github"
PATH = ".github/workflows/shipway.yml"
CHECKOUT = ("actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5.0.0")
AWS_LOGIN = ("aws-actions/configure-aws-credentials@ececac1a45f3b08a01d2dd070d28d111c5fe6722", "v4.1.0")
RUNNER = "ubuntu-24.04"
_PINNED = re.compile(r"(uses: (\S+@[0-9a-f]{40}))$", re.MULTILINE)


def compile_github(subject: Subject) -> Files:
    """One workflow. Raises NothingToRender, NamesCollide, CannotExpress."""
    order = deploying(subject, target=TARGET, taken=("plan", "release"))
    services = [item.service for item in order]
    workflow: JsonObject = {
        "name": "shipway",
        "on": {"pull_request": {"branches": ["main"]}, "push": {"branches": ["main"]}},
        "permissions": {},
        "concurrency": {"group": "shipway-${{ github.ref }}", "cancel-in-progress": False},
        "jobs": {
            "plan": _plan_job(subject, services),
            "release": _release_job(subject, services),
            **{item.job: _deploy_job(subject, item) for item in order},
        },
    }
    return {PATH: _with_versions(yaml_text([workflow], target=TARGET))}


def _with_versions(text: str) -> str:
    """Each pinned commit with the version that it is of, for people and for the bots that keep it fresh."""
    versions = dict((CHECKOUT, AWS_LOGIN))
    text = text.replace("'on':", "on:")  # `on` is a key here, and true to YAML 1.1
    text = text.replace("id-token: write", "id-token: write # to assume the role that trusts this repository")
    return _PINNED.sub(lambda match: f"{match[1]} # {versions[match[2]]}", text)


def _plan_job(subject: Subject, services: list[Service]) -> JsonObject:
    """Only from branches of this repository: a fork gets no secret, and its pull request no plan."""
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    steps = [_shown(item) for item in services]
    job = _job(subject, "plan", "Plan of what is proposed", services, steps)
    return {"if": f"github.event_name == 'pull_request' && {own}", **job}


def _shown(service: Service) -> Json:
    summary = "{ printf '## %s\\n\\n```text\\n' \"$DEPLOYMENT\"; cat plan.txt; printf '```\\n'; } >> \"$GITHUB_STEP_SUMMARY\""
    lines = SHOW_PLAN.replace("cat plan.txt", f"cat plan.txt\n{summary}")
    return {"name": f"Plan {service.name}", "env": {"DEPLOYMENT": service.name}, "run": lines}


def _release_job(subject: Subject, services: list[Service]) -> JsonObject:
    steps: list[Json] = [{"name": _title(command), "run": command} for command in make_commands(subject)]
    return {"if": "github.event_name == 'push'", **_job(subject, "release", "Release of what was merged", services, steps)}


def _title(command: str) -> str:
    return next(line for line in command.splitlines() if line.startswith("shipway")).partition(" ||")[0]


def _deploy_job(subject: Subject, item: Deploying) -> JsonObject:
    name = f"Apply to {item.service.name}"
    why = "merged as ${{ github.sha }}"
    steps: list[Json] = [{"name": name, "env": {"DEPLOYMENT": item.service.name, "WHY": why}, "run": APPLY}]
    job = _job(subject, item.service.environment, name, [item.service], steps)
    return {"needs": [item.after or "release"], **job}


def _job(subject: Subject, environment: str, name: str, services: list[Service], steps: list[Json]) -> JsonObject:
    secrets = {secret: f"${{{{ secrets.{secret} }}}}" for secret in job_secrets(services)}
    keys = secrets.pop("SHIPWAY_KEYS_TAR")
    prepared = [{**step, "env": {**_env(step), **secrets}} for step in steps if isinstance(step, dict)]
    return {
        "name": name,
        "runs-on": RUNNER,
        "timeout-minutes": MINUTES,
        "environment": environment,
        "permissions": {"contents": "read", **({"id-token": "write"} if needs_aws(subject) else {})},
        # root inside the job's container: GitHub's own steps write to its home and workspace as root
        "container": {"image": subject.image, "options": "--user 0"},
        "defaults": {"run": {"shell": "bash"}},
        "env": {**subject.environ, "SHIPWAY_KEYS": KEYS, "SHIPWAY_ACTOR": "${{ github.actor }}"},
        "steps": [
            {"uses": CHECKOUT[0], "with": {"persist-credentials": False}},
            *([_aws_login(subject)] if needs_aws(subject) else []),
            {"name": "Keys", "env": {"SHIPWAY_KEYS_TAR": keys}, "run": UNPACK_KEYS},
            *prepared,
        ],
    }


def _env(step: JsonObject) -> JsonObject:
    env = step.get("env")
    return env if isinstance(env, dict) else {}


def _aws_login(subject: Subject) -> JsonObject:
    return {
        "uses": AWS_LOGIN[0],
        "with": {"role-to-assume": "${{ vars.SHIPWAY_ROLE_ARN }}", "aws-region": subject.targets.aws.region},
    }
