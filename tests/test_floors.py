"""The floors of DESIGN hold without an exception: imports only point down, siblings are strangers, no circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "shipway"
SOURCES = [path for path in SOURCE.rglob("*.py") if "template" not in path.parts]  # init's template is a user's file
FLOORS: tuple[tuple[str, ...], ...] = (
    ("kernel",),
    ("spec", "stats"),
    ("store",),
    ("access",),
    ("gate",),
    ("data", "models", "llm", "tracking", "environment"),
    ("pipeline", "rag", "evals"),
    ("release",),
    ("serve", "gateway", "monitor", "deploy"),
    ("operate",),
    ("protocols", "web"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
TOP = {"__init__", "__main__"}
# which library may be imported where; a library that is not named may be imported anywhere
LIBRARY_ROOMS = {
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "sqlite3": {"store", "llm", "rag", "data"},  # data reads users' databases
    "aiohttp": {"llm", "gateway"},
    "onnx": {"llm"},
    "onnxruntime": {"llm"},
    "tokenizers": {"llm"},
    "xllamacpp": {"llm"},
    "genai_prices": {"llm"},
    "psycopg": {"rag", "store", "data"},
    "duckdb": {"data"},
    "pymilvus": {"rag"},
    "cyclonedx": {"release"},
    "packageurl": {"release"},
    "openai": set(),
    "anthropic": set(),
    "starlette": {"web", "cli"},
    "jinja2": {"web"},
    "uvicorn": {"protocols", "tracking", "cli", "gateway"},
    "click": {"cli"},
    "hpack": {"protocols"},
    "google": {"protocols"},  # protobuf
    "grpc": {"rag"},  # a client of Milvus; what we answer over gRPC is ours (design 063)
    "cryptography": {"access", "store"},  # store: the MD5 of its newer OpenSSL, for DVC
    "yaml": {"spec", "deploy", "data"},  # data writes DVC's files; to read YAML is spec's alone
    "hera": {"deploy"},
    "grafana_foundation_sdk": {"deploy"},
    "obstore": {"store"},
    "fsspec": {"store"},  # a remote that obstore does not speak
    "ray": {"operate"},  # the others work for whatever Workers they are given
    "boto3": {"pipeline"},
    "apprise": {"operate"},  # whoever is told of incidents
    "botocore": {"pipeline", "cli", "store"},  # Step Functions, a function's settings, uploads that go on, versions of objects
    "deltalake": {"data"},
    "pyiceberg": {"data"},
    "awslambdaric": set(),  # starts us
    "mangum": {"cli"},
    "polars": {"data", "pipeline", "monitor", "operate"},
    "skops": {"models", "environment"},
    "sklearn": {"models", "environment", "monitor"},  # monitor fits losses, where a team asks for them (design 081)
    "lightgbm": {"monitor"},
    "mlflow": {"tracking"},
    "pydantic": set(),
    "pandas": set(),
    "great_expectations": set(),  # runs in the user's Python, never in ours
}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every import, lazy and type-checking ones too."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} a relative import hides its floor"
            found.append((node.lineno, node.module or ""))
    return found


def test_imports_only_point_down_the_floors() -> None:
    breaches = []
    for path in SOURCES:
        room = room_of(path)
        if room in TOP:
            continue
        assert room in FLOOR, f"{path}: DESIGN names no room {room}"
        for line, name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "shipway" and len(parts) > 1 and parts[1] != room and FLOOR[parts[1]] >= FLOOR[room]:
                breaches.append(f"{path}:{line} {room} -> {parts[1]}")
    assert breaches == []


def test_rooms_are_entered_by_their_door() -> None:
    """Others import the package, not its private modules."""
    breaches = []
    for path in SOURCES:
        for line, name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "shipway" and len(parts) > 2 and parts[1] != room_of(path) and parts[2].startswith("_"):
                breaches.append(f"{path}:{line} imports {name}")
    assert breaches == []


def test_libraries_stay_in_their_rooms() -> None:
    breaches = []
    for path in SOURCES:
        for line, name in imports_of(path):
            library = name.split(".")[0]
            if library in LIBRARY_ROOMS and room_of(path) not in LIBRARY_ROOMS[library]:
                breaches.append(f"{path}:{line} imports {library}")
    assert breaches == []


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(m for m in sys.modules if '.' not in m))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_store_opens_without_sqlalchemy() -> None:
    opened = "import shipway.store, tempfile, pathlib; shipway.store.Store; shipway.store.open_store"
    assert not {"sqlalchemy", "alembic", "polars", "psycopg"} & imported_by(opened)


def test_a_programs_own_python_pays_for_shipway_when_it_loads_a_release() -> None:
    assert not {"sqlalchemy", "polars", "numpy", "click", "msgspec"} & imported_by("import shipway")
    loading = "import shipway, shipway.operate\nshipway.load, shipway.asgi, shipway.operate.load_release"
    assert not {"sqlalchemy", "pandas", "pyarrow", "sklearn"} & imported_by(loading)


def test_help_imports_no_command() -> None:
    assert not {"sqlalchemy", "polars", "numpy", "yaml", "msgspec", "cryptography"} & imported_by("import shipway.cli")


def test_the_predict_path_needs_only_numpy_msgspec_and_the_server() -> None:
    found = imported_by("import shipway.serve, shipway.protocols.predictor")
    assert not {"sqlalchemy", "polars", "yaml", "cryptography", "pydantic", "starlette", "click"} & found
    assert not {"hpack", "google", "grpc"} & imported_by("import shipway.protocols._server")  # what nobody asked for
