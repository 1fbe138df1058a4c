"""What a person types for a deployment: `delay`, `delay@prod` or `deploy/delay@prod`."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError, nearest
from shipway.spec import DeploySpec, Spec


class DeploymentUnknown(ShipwayError):
    """The spec has no such deployment."""

    code = "cli.deployment-unknown"


def find_deploy(spec: Spec, name: str | None) -> DeploySpec:
    """The deployment of that name; the only one when no name is given. Raises DeploymentUnknown.

    An empty name is none of them: it is a variable of a script that was not set.
    """
    wanted = (name or "").removeprefix("deploy/")
    if name is not None and not wanted.strip():
        raise DeploymentUnknown(f"{name!r} names no deployment", where=str(spec.path), mend="name one, or leave the word out")
    fitting = [deploy for deploy in spec.deploy.values() if wanted in ("", deploy.name, deploy.application)]
    if len(fitting) == 1:
        return fitting[0]
    known = list(spec.deploy)
    if not known:
        raise DeploymentUnknown(
            "the spec has no deployment",
            where=str(spec.path),
            mend="add one under deploy: as in delay@prod:; a policy alone is published by `shipway apply policy/main`",
        )
    if fitting:
        raise DeploymentUnknown(
            f"{wanted or 'which deployment'}: {', '.join(d.name for d in fitting)}", mend="name one of them"
        )
    near = nearest(wanted, known)
    raise DeploymentUnknown(f"no deployment {wanted}", where=str(spec.path), mend=f"did you mean {near or known[0]}?")
