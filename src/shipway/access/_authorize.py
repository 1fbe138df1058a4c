"""The one question of permission, asked before anything is read or written. Pure."""

from __future__ import annotations

from collections.abc import Iterable
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
    "checker": frozenset({Action.READ, Action.RECORD}),
    "reader": frozenset({Action.READ}),
}


def authorize(actor: Actor, action: Action, resource: str) -> None:
    """Return when one of the actor's roles allows the action on the resource; raises Forbidden.

    >>> authorize(Actor("ann", frozenset({"admin"})), Action.MOVE, "deploy/delay@prod")
    """
    if not permits(actor.roles, action):
        roles = ", ".join(sorted(actor.roles)) or "no role"
        raise Forbidden(f"{actor.name} ({roles}) may not {action} {resource}", where=resource, mend="ask an admin for the role")


def permits(roles: Iterable[str], action: Action) -> bool:
    """Whether one of the roles allows the action."""
    return any(action in _ALLOWED.get(role, frozenset()) for role in roles)


def may_approve(roles: Iterable[str]) -> bool:
    """Whether a key that is trusted for these roles may approve: for one that allows it, or for a project's own word.

    A word of a project's own says who approves, and nothing else.

    >>> may_approve({"approver"}), may_approve({"security"}), may_approve({"reader", "operator", "checker"})
    (True, True, False)
    """
    held = frozenset(roles)
    return permits(held, Action.APPROVE) or bool(held - _ALLOWED.keys())
