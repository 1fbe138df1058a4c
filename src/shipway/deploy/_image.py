"""The image that everything runs in, and a compose file that starts it with its neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from shipway.deploy._names import label_names
from shipway.deploy._scrapes import CONTROL, CONTROL_PORT, GRPC_PORT, METRICS_PORT, PORT, metrics_listening, static_scrapes
from shipway.deploy._subject import UNPINNED, Service, Subject
from shipway.deploy._text import HEADER, Files, yaml_text
from shipway.kernel.canonical import JsonObject

TARGET = "image"
CACHE, STORE, KEYS = "/var/cache/shipway", "/app/.shipway", "/etc/shipway/keys"
# scheme of the bucket -> what is passed through to every container; files that they name have to be mounted
CLOUDS = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_KEY"),
}
# never in an image: history, store, caches, keys, data (a snapshot of it is in the store), what was rendered
IGNORED = (".git", ".shipway", ".shipway-gateway", ".venv", "**/__pycache__", "**/.env", "**/*.pem", "deploy")

# without dependencies: those of its weights are plugins and torch, and all others are in the lock
_EMBEDDER = (
    "RUN /opt/shipway/venv/bin/python -m pip install --quiet --require-hashes --no-deps -r /opt/shipway/build/embed.lock"
)


def compile_image(subject: Subject) -> Files:
    """Dockerfile, what it leaves out, the lock of Shipway itself, compose.yaml and what its Prometheus scrapes.

    The wheel of Shipway is put into `wheels/` by hand. Raises NamesCollide, CannotExpress.
    """
    names = label_names((service.name for service in subject.services), target=TARGET, what="deployment")
    home = files("shipway.deploy") / "image"
    return {
        "Dockerfile": (home / "Dockerfile").read_text().format(**_blanks(subject)),
        "Dockerfile.dockerignore": _ignored(subject),
        "shipway.lock": (home / "shipway.lock").read_text(),
        **({"embed.lock": (home / "embed.lock").read_text()} if subject.embeds else {}),
        "wheels/README.md": "The wheel of Shipway belongs here: `shipway-VERSION-py3-none-any.whl`, and nothing else.\n",
        "compose.yaml": yaml_text([_compose(subject, names)], target=TARGET),
        "prometheus.yml": yaml_text([_scrapes(subject)], target=TARGET),
    }


def _blanks(subject: Subject) -> dict[str, str]:
    sources = ["shipway.yaml", subject.lock] if subject.lock else ["shipway.yaml"]
    return {
        "project": subject.project,
        "repository": subject.image.partition("@")[0],
        "python_image": f"docker.io/library/python:{subject.python}-slim-bookworm@{UNPINNED}",
        # each where it lies in the project, as JSON: a path may have blanks
        "copy_sources": "\n".join(f"COPY {json.dumps([path, '/app/' + path])}" for path in sources),
        "locks": "deploy/image/shipway.lock deploy/image/embed.lock" if subject.embeds else "deploy/image/shipway.lock",
        "embedder": f"\n{_EMBEDDER}" if subject.embeds else "",
        "install": "lock --install" if subject.lock else "--version",
    }


def _ignored(subject: Subject) -> str:
    lines = [*IGNORED, *subject.data]
    keep = ["!deploy/image/*.lock", "!deploy/image/wheels/*.whl"]
    return HEADER.format(target=TARGET) + "".join(f"{line}\n" for line in [*lines, *keep])


def _compose(subject: Subject, names: dict[str, str]) -> JsonObject:
    return {
        "name": subject.project,
        "services": {
            CONTROL: _control(subject),
            **{names[service.name]: _service(subject, service) for service in subject.services},
            **_neighbours(),
        },
        "volumes": {name: {} for name in ("store", "cache", "database", "metrics", "dashboards", "runs")},
        "secrets": {"postgres_password": {"file": "./postgres_password.txt"}},
    }


def _ours(
    subject: Subject, command: Sequence[str], *, port: int, secrets: Sequence[str], more: JsonObject | None = None
) -> JsonObject:
    """A container of the one image: not root, nothing written but its volumes, on loopback of this machine only."""
    variables: JsonObject = {
        **subject.environ,
        "SHIPWAY_KEYS": KEYS,
        "SHIPWAY_ACTOR": "${SHIPWAY_ACTOR:-compose}",
        "HEALTH_PORT": str(port),
        **{name: f"${{{name}:?of the project, in .env}}" for name in secrets},
        **dict.fromkeys(_cloud(subject)),  # without a value: as they are where compose is started, or in .env
        **(more or {}),
    }
    return {
        "image": f"${{SHIPWAY_IMAGE:-{subject.image}}}",
        "build": {"context": "../..", "dockerfile": "deploy/image/Dockerfile"},
        "command": list(command),
        "environment": variables,
        "user": "10001:10001",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container of its own
        "volumes": [f"store:{STORE}", f"cache:{CACHE}", f"./keys:{KEYS}:ro"],
        "depends_on": {"postgres": {"condition": "service_healthy"}},
        "restart": "unless-stopped",
        "stop_grace_period": "60s",
    }


def _cloud(subject: Subject) -> Sequence[str]:
    """The variables that say who asks the bucket, and where it is when it is not the cloud's own."""
    return CLOUDS[subject.targets.objects.partition("://")[0]] if subject.targets.objects else ()


def _control(subject: Subject) -> JsonObject:
    page = ["--host", "0.0.0.0", "--port", str(CONTROL_PORT), "--name", CONTROL]  # noqa: S104
    command = ["up", *page, *metrics_listening(), "--no-serving", "--no-mlflow"]
    tracking: JsonObject = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    box = _ours(subject, command, port=METRICS_PORT, secrets=subject.secrets, more=tracking)
    return {**box, "ports": [f"127.0.0.1:{CONTROL_PORT}:{CONTROL_PORT}"]}


def _service(subject: Subject, service: Service) -> JsonObject:
    second = ["--grpc-port", str(GRPC_PORT)] if service.grpc else []
    command = ["serve", service.name, "--host", "0.0.0.0", "--port", str(PORT), *second]  # noqa: S104
    box = _ours(subject, command, port=PORT, secrets=[*subject.secrets[:1], *service.secrets])
    return {**box, "ports": [f"127.0.0.1::{port}" for port in ((PORT, GRPC_PORT) if service.grpc else (PORT,))]}


def _neighbours() -> JsonObject:
    """Their images are variables, so that whoever pins them does it in one place."""
    health: JsonObject = {"test": ["CMD", "pg_isready", "-U", "shipway"], "interval": "5s", "timeout": "3s", "retries": 20}
    safe: JsonObject = {"security_opt": ["no-new-privileges:true"], "restart": "unless-stopped"}
    return {
        "postgres": {
            "image": "${POSTGRES_IMAGE:-docker.io/pgvector/pgvector:0.8.1-pg17}",
            "environment": {
                "POSTGRES_USER": "shipway",
                "POSTGRES_DB": "shipway",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
            },
            "secrets": ["postgres_password"],
            "volumes": ["database:/var/lib/postgresql/data"],
            "healthcheck": health,
            **safe,
        },
        "prometheus": {
            "image": "${PROMETHEUS_IMAGE:-docker.io/prom/prometheus:v2.55.1}",
            "volumes": ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro", "metrics:/prometheus"],
            "ports": ["127.0.0.1:9090:9090"],
            **safe,
        },
        "grafana": {
            "image": "${GRAFANA_IMAGE:-docker.io/grafana/grafana:11.6.0}",
            "volumes": ["dashboards:/var/lib/grafana"],
            "ports": ["127.0.0.1:3000:3000"],
            **safe,
        },
        "mlflow": {
            "image": "${MLFLOW_IMAGE:-ghcr.io/mlflow/mlflow:v3.17.0}",
            "command": ["mlflow", "server", "--host", "0.0.0.0", "--backend-store-uri", "sqlite:////runs/mlflow.db",  # noqa: S104
                        "--artifacts-destination", "/runs/artifacts"],
            "volumes": ["runs:/runs"],
            "ports": ["127.0.0.1:5000:5000"],
            **safe,
        },
    }  # fmt: skip


def _scrapes(subject: Subject) -> JsonObject:
    return {"global": {"scrape_interval": "15s"}, "scrape_configs": static_scrapes(subject, target=TARGET)}
