"""People are told of incidents through Apprise: Slack, e-mail, PagerDuty, a webhook and a hundred others, by address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from shipway.kernel.errors import ShipwayError
from shipway.llm import secret_value
from shipway.monitor import (
    NOTIFIED,
    Message,
    Severity,
    due_messages,
    load_incidents,
    load_silences,
)
from shipway.operate._rounds import Round
from shipway.spec import NotifySpec, Spec
from shipway.store import Store

NOTIFY_SECONDS = 15.0


class NotifyMissing(ShipwayError):
    """Apprise, which speaks to the others, is not installed."""

    code = "operate.notify-missing"


class NotifyFailed(ShipwayError):
    """An address did not take a message; it is sent again in the next round."""

    code = "operate.notify-failed"


Send = Callable[[str, Message], bool]
"""Whether an address has taken a message."""


def notify_round(
    store: Store,
    *,
    environ: Mapping[str, str],
    spec: Callable[[], Spec | None],
    link: Callable[[], str],
    report: Callable[[str], None],
) -> Round:
    """Tells of every deployment's incidents what is due. link: of the control plane; spec: read anew each time."""

    def work(ref: str) -> None:
        found = spec()
        if found is not None and (found.notify.page or found.notify.ticket):
            notify(store, ref, found.notify, environ=environ, link=link())

    return Round("notify", store, work, every=NOTIFY_SECONDS, report=report)


def notify(
    store: Store, ref: str, spec: NotifySpec, *, environ: Mapping[str, str], link: str = "", send: Send | None = None
) -> tuple[Message, ...]:
    """Sends what is due about a deployment; what was sent. A message counts as told once every address of it has taken it.

    Pages go to the addresses of `page`, or of `ticket` where there are none; tickets to those of `ticket` alone. Raises
    NotifyMissing, NotifyFailed, SecretMissing: the others of the round are sent all the same.
    """
    prefix = f"{ref.removeprefix('deploy/')}/"
    told = {row.key: row.value for row in store.states(NOTIFIED, prefix)}
    now, silences = store.clock.now(), load_silences(store, ref)
    due = due_messages(load_incidents(store, ref), told, silences, now=now, every=spec.every, link=link)
    sent, problems = [], list[ShipwayError]()
    for message in due:
        try:
            _send(message, _addresses(spec, message.severity), environ, send or _sender())
        except ShipwayError as problem:
            problems.append(problem)
        else:
            store.put_states(NOTIFIED, dict(message.told))
            sent.append(message)
    if problems:
        raise problems[0]
    return tuple(sent)


def _addresses(spec: NotifySpec, severity: Severity) -> Sequence[str]:
    return (spec.page or spec.ticket) if severity is Severity.PAGE else spec.ticket


def _send(message: Message, addresses: Sequence[str], environ: Mapping[str, str], send: Send) -> None:
    failed = [reference for reference in addresses if not send(secret_value(reference, environ), message)]
    if failed:
        raise NotifyFailed(f"{failed[0]} did not take a message", where=message.title, mend="see that its address is right")


@cache
def _sender() -> Send:
    """Raises NotifyMissing."""
    try:
        import apprise
    except ImportError as problem:
        mend = "pip install 'shipway[notify]'"
        raise NotifyMissing("notifications need Apprise, which is not installed", mend=mend) from problem

    def send(address: str, message: Message) -> bool:
        kind = {Severity.PAGE: apprise.NotifyType.FAILURE}.get(message.severity, apprise.NotifyType.WARNING)
        target = apprise.Apprise()
        if not target.add(address):
            return False
        return bool(
            target.notify(body=message.body, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
        )

    return send
