"""What a predictor says of itself: health, metadata, repository, configuration, statistics, metrics, its API."""

from __future__ import annotations

from typing import Any

from shipway.kernel.errors import ShipwayError
from shipway.protocols._figures import Figures
from shipway.protocols._http import Reply, json_reply
from shipway.protocols._metrics import CONTENT_TYPE
from shipway.protocols._open_inference import describe_model
from shipway.protocols._openapi import describe_api
from shipway.protocols._refusals import MethodWrong, NotHere
from shipway.serve import Arrays, Predictor

OPENAPI, _METRICS = "/openapi.json", "/metrics"
EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration", "statistics")


class Pages:
    """Of one predictor. releases: those of arms that a client can ask, each a version; posted: paths that predict.

    server_version: what server metadata says; golden: the model's golden rows, examples in the description of the API.
    """

    def __init__(
        self,
        predictor: Predictor,
        figures: Figures,
        *,
        server_version: str,
        golden: tuple[Arrays, Arrays],
        releases: tuple[str, ...],
        posted: frozenset[str],
    ) -> None:
        self._predictor, self._figures, self._server_version, self._golden = predictor, figures, server_version, golden
        who = predictor.identity
        self.versions = (who.release, *releases)
        model = f"/v2/models/{who.model_name}"
        self._bases = (model, *(f"{model}/versions/{release}" for release in self.versions))
        self._posted, self._fixed = posted, self._fixed_pages()

    def find(self, path: str, method: str, root: str) -> Reply:
        """The page at an address; root: what comes before it where it is mounted. Raises NotHere, MethodWrong, NotOffered."""
        if path == _METRICS and method == "GET":
            return Reply(200, self._figures.whole().encode(), CONTENT_TYPE.encode())
        method = "GET" if method == "HEAD" else method
        if path == OPENAPI and method == "GET":
            return json_reply(self._described(root))
        return self._fixed.get((method, path)) or self._rare(path, method)

    def server(self) -> dict[str, object]:
        """Open Inference's server metadata."""
        return {"name": "shipway", "version": self._server_version, "extensions": [*EXTENSIONS]}

    def model(self) -> dict[str, object]:
        """Open Inference's model metadata."""
        who = self._predictor.identity
        return describe_model(who.model_name, versions=self.versions, signature=self._predictor.signature)

    def index(self) -> list[dict[str, str]]:
        """What Open Inference's repository has: the one model, in each version that answers."""
        name = self._predictor.identity.model_name
        return [{"name": name, "version": version, "state": "READY", "reason": ""} for version in self.versions]

    def config(self) -> dict[str, object]:
        """Triton's configuration of the model."""
        from shipway.protocols._triton import model_config

        return model_config(self._predictor.identity.model_name, self._predictor.signature)

    def statistics(self) -> dict[str, object]:
        """Triton's statistics: of all processes and versions together."""
        from shipway.protocols._triton import model_statistics

        return {"model_stats": [model_statistics(self._predictor.identity, self._figures.whole())]}

    def check_model(self, name: str, version: str) -> None:
        """Raises NotHere for another model than the one here, or for a version that does not answer; empty: any."""
        known = self._predictor.identity.model_name
        if name != known:
            raise NotHere(f"no model {name[:200]!r}: expected {known!r}")
        if version and version not in self.versions:
            raise NotHere(f"no version {version[:200]!r} of {known!r}: expected {' or '.join(map(repr, self.versions))}")

    def _fixed_pages(self) -> dict[tuple[str, str], Reply]:
        """Every answer that never changes while this process lives, by method and path."""
        name = self._predictor.identity.model_name
        live, ready = json_reply({"live": True}), json_reply({"live": True, "ready": True})
        model, model_ready = json_reply(self.model()), json_reply({"name": name, "ready": True})
        pages = {"/healthz": live, "/readyz": ready, "/v2/health/live": live, "/v2/health/ready": ready}
        pages["/v2"] = json_reply(self.server())
        pages["/v1/models"] = pages["/v2/models"] = json_reply({"models": [name]})
        pages["/"] = json_reply({"status": "alive"})  # as KServe's V1 has it
        pages["/version"] = Reply(200, self._server_version.encode(), b"text/plain; charset=utf-8")  # as MLflow has it
        pages[f"/v1/models/{name}"] = model_ready
        pages |= {"/ping": Reply(200, b"\n"), "/health": Reply(200, b"\n")}  # as MLflow has it
        for base in self._bases:
            pages |= {base: model, f"{base}/ready": model_ready}
        index = {("POST", "/v2/repository/index"): json_reply(self.index())}
        return {("GET", path): page for path, page in pages.items()} | index

    def _rare(self, path: str, method: str) -> Reply:
        from shipway.protocols._triton import refuse_setting, triton_methods

        allow = triton_methods(path, self._bases)
        if not allow:
            raise self._nothing_at(path)
        if method not in allow.split(", "):
            raise MethodWrong(path, allow=allow)
        if path.endswith("/config"):
            return json_reply(self.config())
        if path.endswith("/stats"):
            return json_reply(self.statistics())
        return refuse_setting(path, self._predictor.identity)

    def _nothing_at(self, path: str) -> ShipwayError:
        alone = (_METRICS, OPENAPI)
        if path in self._posted or path in alone or any(path == known for _, known in self._fixed):
            posted = path in self._posted or ("POST", path) in self._fixed
            return MethodWrong(path, allow="POST" if posted else "GET" if path in alone else "GET, HEAD")
        parts = path.split("/")
        try:
            if path.startswith("/v1/models/"):
                self.check_model(parts[3].removesuffix(":predict").removesuffix(":explain"), "")
            elif path.startswith("/v2/models/"):
                self.check_model(parts[3], parts[5] if path.startswith(f"{self._bases[0]}/versions/") else "")
        except NotHere as problem:
            return problem
        return NotHere(f"nothing at {path!r}")

    def _described(self, root: str) -> dict[str, Any]:
        who, signature, aside = self._predictor.identity, self._predictor.signature, self._predictor.aside
        return describe_api(who, signature, golden=self._golden, aside=aside, server_version=self._server_version, base=root)
