"""What a person means who approves, rejects or comments: what waits at a ref, or the object of a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.cli._settings import Project
    from shipway.kernel.digest import Digest

COMPONENTS = ("data/", "model/", "prompt/", "index/")


class NothingToApprove(ShipwayError):
    """Nothing waits at this ref, or no object has a digest that begins so."""

    code = "cli.nothing-to-approve"


def find_asked(project: Project, what: str) -> tuple[str, Digest]:
    """The ref and the object of `sha256:` and first digits, of policy/main, or of a component. Raises NothingToApprove."""
    return _by_digest(project, what) if what.startswith("sha256:") else (what, _waiting(project, what))


def _waiting(project: Project, ref: str) -> Digest:
    """What would be published at policy/main, or what the gate of a component's ref refused last."""
    if ref == "policy/main":
        from shipway.operate import golden_of
        from shipway.release import policy_change

        change = policy_change(project.store, project.spec, golden=golden_of(project.store, project.spec))
        if change is None:
            raise NothingToApprove("the policy of shipway.yaml is in force already", where=ref, mend="shipway log policy/main")
        return change.digest
    from shipway.release import waiting_at

    found = waiting_at(project.store, ref)
    if found is not None:
        return found
    what = f"nothing waits at {ref}: its gate refused nothing since its last move"
    raise NothingToApprove(what, where=ref, mend=f"shipway log {ref}, or give a digest")


def _by_digest(project: Project, text: str) -> tuple[str, Digest]:
    """The object of a digest's first digits, and the ref where it stood or wanted to."""
    begins = text.removeprefix("sha256:")
    found = project.store.targets("", f"sha256:{begins}") if len(begins) >= 4 else []
    if len(found) != 1:
        what = f"{len(found)} objects at refs begin with {begins!r}" if len(begins) >= 4 else f"{begins!r} is too short"
        raise NothingToApprove(what, mend="shipway log REF names what stands or wanted to stand there")
    for record in project.store.naming(found[0]):
        if record.target == found[0] and record.outcome in ("refused", "moved", "approved"):
            return record.resource, found[0]
    raise NothingToApprove(f"{text} was never wanted at a ref", where=text, mend="shipway log REF")
