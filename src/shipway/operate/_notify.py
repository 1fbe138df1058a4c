"""People are told of incidents through Apprise: Slack, e-mail, PagerDuty, a webhook and a hundred others, by address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """Sends what is due about a deployment, to each address for itself; what was sent. It counts as told where it was taken.

    Pages go to the addresses of `page`, or of `ticket` where there are none; tickets to those of `ticket` alone. Raises
    NotifyMissing, NotifyFailed, SecretMissing: what else is due in the round is sent all the same.
    """
    incidents = load_incidents(store, ref)
    if not incidents:
        return ()
    now, silences = store.clock.now(), load_silences(store, ref)
    rows = {row.key: row.value for row in store.states(NOTIFIED, f"{ref.removeprefix('deploy/')}/")}
    sent, problems = [], list[ShipwayError]()
    for address in dict.fromkeys((*spec.page, *spec.ticket)):
        told = {one.id: rows[key] for one in incidents if (key := f"{one.id} {address}") in rows}
        heard = _heard(spec, address)
        for message in due_messages(incidents, told, silences, now=now, every=spec.every, link=link, heard=heard):
            try:
                _send(message, address, environ, send or _sender())
            except ShipwayError as problem:
                problems.append(problem)
            else:
                store.put_states(NOTIFIED, {f"{name} {address}": value for name, value in message.told.items()})
                sent.append(message)
    if problems:
        raise problems[0]
    return tuple(sent)


def _heard(spec: NotifySpec, address: str) -> set[Severity]:
    pages, tickets = spec.page or spec.ticket, spec.ticket
    return {severity for severity, those in ((Severity.PAGE, pages), (Severity.TICKET, tickets)) if address in those}


def _send(message: Message, address: str, environ: Mapping[str, str], send: Send) -> None:
    to = secret_value(address, environ)
    try:
        taken = send(to, message)
    except Exception as problem:  # its words may hold the address
        why = f": {type(problem).__name__}"
        taken = False
    else:
        why = ""
    if not taken:
        raise NotifyFailed(f"{address} did not take a message{why}", where=message.title, mend="see that its address is right")


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
