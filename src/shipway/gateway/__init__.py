"""The LLM gateway: keys, limits, budgets, routing, caches, records of every call. It needs no store and no project.

`python -m shipway.gateway` is a gateway process, `run_gateway` the same as a call; a refusal of a semantic answer is looked at
in the room's own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.gateway._app import GatewayApp
    from shipway.gateway._config import (
        ApplicationConfig,
        BackendConfig,
        BudgetConfig,
        GatewayConfig,
        KeyConfig,
        ProviderConfig,
        load_config,
    )
    from shipway.gateway._errors import ConfigMalformed
    from shipway.gateway._guards import Refusal, compare_questions
    from shipway.gateway._metrics import METRICS
    from shipway.gateway._server import open_app, run_gateway

_HOME = {
    "_app": ["GatewayApp"],
    "_config": [
        "ApplicationConfig",
        "BackendConfig",
        "BudgetConfig",
        "GatewayConfig",
        "KeyConfig",
        "ProviderConfig",
        "load_config",
    ],
    "_errors": ["ConfigMalformed"],
    "_guards": ["Refusal", "compare_questions"],
    "_metrics": ["METRICS"],
    "_server": ["open_app", "run_gateway"],
}

__all__ = [
    "METRICS",
    "ApplicationConfig",
    "BackendConfig",
    "BudgetConfig",
    "ConfigMalformed",
    "GatewayApp",
    "GatewayConfig",
    "KeyConfig",
    "ProviderConfig",
    "Refusal",
    "compare_questions",
    "load_config",
    "open_app",
    "run_gateway",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
