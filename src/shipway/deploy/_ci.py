"""What both kinds of CI do: which commands, in which order. A pull request moves nothing; main moves what its gates allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shipway.deploy._errors import CannotExpress, NothingToRender
from shipway.deploy._names import label_names
from shipway.deploy._subject import CATALOGUE, Service, Subject

KEYS_SECRET = "SHIPWAY_KEYS_TAR"  # the folder of keys as `tar -cz | base64` gives it; a CI that signs has a key of its own
KEYS = "/dev/shm/shipway-keys"  # noqa: S108 - in the memory of the job's own container, never on its disk
MINUTES = 60  # of a job: what hangs costs money

# A plan is shown whatever the gate says of it: approvals come after the review. 64 and above is a mistake in the command line,
# and what went wrong on the way there, as a catalogue that does not answer, has no plan to show.
SHOW_PLAN = """code=0
shipway plan "$DEPLOYMENT" > plan.txt || code=$?
cat plan.txt
test "$code" -le 2 && test -s plan.txt"""

UNPACK_KEYS = """install -d -m 700 "$SHIPWAY_KEYS"
printf '%s' "$SHIPWAY_KEYS_TAR" | base64 -d | tar -xz -C "$SHIPWAY_KEYS\""""

APPLY = """code=0
shipway plan "$DEPLOYMENT" -o plan.json || code=$?
test "$code" -le 2
shipway apply plan.json --no-wait --why "$WHY\""""


@dataclass(frozen=True, slots=True)
class Deploying:
    """A job that moves one deployment. job: its name; after: the job of the environment before, if any."""

    service: Service
    job: str
    after: str | None


def make_commands(subject: Subject) -> list[str]:
    """The commands that make a release of everything that the project has: models, indexes, releases, measurements."""
    applications = list(dict.fromkeys(service.application for service in subject.services))
    first = {service.application: service for service in reversed(subject.services)}
    return [
        *(["shipway run"] if subject.workload else []),
        *(["shipway rag sync"] if subject.indexed else []),
        *[f"shipway release {first[name].name}" for name in applications],
        *[_measured("eval" if first[name].kind == "gateway" else "check", first[name].name) for name in applications],
    ]


def _measured(word: str, name: str) -> str:
    """What fails a threshold or cannot decide is evidence like any other: the gate has the last word."""
    return f'code=0\nshipway {word} {name} || code=$?\ntest "$code" -le 2'


def deploying(subject: Subject, *, target: str, taken: Sequence[str]) -> list[Deploying]:
    """Every deployment after the one that its environment follows. Raises NothingToRender, NamesCollide."""
    if not subject.services:
        raise NothingToRender(f"{subject.project} has released nothing yet", mend="shipway release")
    names = [service.name for service in subject.services]
    jobs = label_names(names, target=target, what="deployment", taken=taken)
    return [Deploying(service, jobs[service.name], _job_before(service, jobs, target)) for service in subject.services]


def _job_before(service: Service, jobs: dict[str, str], target: str) -> str | None:
    if service.after is None:
        return None
    before = f"{service.application}@{service.after}"
    if before not in jobs:
        raise CannotExpress(f"{target} cannot put {service.name} after {before}, which is not released", mend="shipway release")
    return jobs[before]


def job_secrets(services: Iterable[Service]) -> list[str]:
    """The names of the secrets that a job has to be given."""
    named = [name for service in services for name in service.secrets]
    return list(dict.fromkeys([CATALOGUE, KEYS_SECRET, *named]))


def needs_aws(subject: Subject) -> bool:
    """Whether the project's objects are where only a role of AWS lets one in."""
    return bool(subject.targets.objects and subject.targets.objects.startswith("s3://"))
