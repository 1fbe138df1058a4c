"""The one question of permission, asked before anything is read or written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shipway.kernel.errors import ShipwayError


class Action(StrEnum):
    """What an actor can ask for; a resource is a ref name."""

    READ = "read"
    MOVE = "move"
    RETURN = "return"
    APPROVE = "approve"
    RECORD = "record"
    FORCE = "force"
    REVOKE = "revoke"


class Forbidden(ShipwayError):
    """This actor may not do that."""

    code = "access.forbidden"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a service, with its roles."""

    name: str
    roles: frozenset[str]


_ALLOWED: dict[str, frozenset[Action]] = {
    "admin": frozenset(Action),
    "operator": frozenset({Action.READ, Action.MOVE, Action.RETURN, Action.RECORD}),
    "approver": frozenset({Action.READ, Action.APPROVE}),
    "reader": frozenset({Action.READ}),
}


def authorize(actor: Actor, action: Action, resource: str) -> None:
    """Return when one of the actor's roles allows the action on the resource; raises Forbidden.

    >>> authorize(Actor("ann", frozenset({"admin"})), Action.MOVE, "deploy/delay@prod")
    """
    if not any(action in _ALLOWED.get(role, frozenset()) for role in actor.roles):
        roles = ", ".join(sorted(actor.roles)) or "no role"
        raise Forbidden(f"{actor.name} ({roles}) may not {action} {resource}", where=resource, mend="ask an admin for the role")
