"""What a plan takes from the spec beside the release. Whatever answers prompts is imported only where the spec has some."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest
    from shipway.spec import DeploySpec, Spec
    from shipway.store import Store


def golden_of(store: Store, spec: Spec) -> dict[str, Digest]:
    """The golden sets of the spec, by evaluation."""
    if not spec.evals:
        return {}
    from shipway import operate

    return operate.golden_of(store, spec)


def keep_prices(store: Store, spec: Spec, deploy: DeploySpec) -> Digest | None:
    """The price table that a gateway's calls are booked by; None where nothing is called."""
    if deploy.target != "gateway":
        return None
    from shipway import operate

    return operate.keep_prices(store, spec, deploy)
