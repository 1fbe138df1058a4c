"""Small real wheels, made here byte for byte the same each time, and a package index on the loopback that offers them."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, source: str, *, tag: str = "py3-none-any") -> Path:
    """A wheel with one module of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(inside, (1980, 1, 1, 0, 0, 0)), text)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lock_line(path: Path) -> bytes:
    name, version = path.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{sha256(path)}\n".encode()


class Index:
    """A simple index (PEP 503) over the wheels of a folder; `asked` are the files that were fetched from it.

    claims: hashes that it gives for files instead of theirs.
    """

    def __init__(self, wheels: Path, port: int, asked: list[str], claims: dict[str, str]) -> None:
        self.wheels, self.url, self.asked = wheels, f"http://127.0.0.1:{port}/simple/", asked
        self.claims = claims

    def environ(self, cache: Path) -> dict[str, str]:
        """The variables by which uv asks this index alone, with a cache of its own."""
        return {"UV_DEFAULT_INDEX": self.url, "UV_CACHE_DIR": str(cache)}


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str]
    claims: dict[str, str]

    def do_GET(self) -> None:
        if not self.path.startswith("/simple/"):
            self.asked.append(self.path.rsplit("/", 1)[-1])
            super().do_GET()
            return
        name = self.path.removeprefix("/simple/").strip("/").replace("-", "_")
        found = sorted(path for path in Path(str(self.directory)).iterdir() if path.name.startswith(f"{name}-"))
        lines = [f'<a href="/{p.name}#sha256={self.claims.get(p.name) or sha256(p)}">{p.name}</a>' for p in found]
        body = f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None: ...


@contextmanager
def serve_index(wheels: Path) -> Iterator[Index]:
    asked: list[str] = []
    claims: dict[str, str] = {}
    handler = type("Handler", (_Handler,), {"asked": asked, "claims": claims})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(wheels)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Index(wheels, server.server_port, asked, claims)
    finally:
        server.shutdown()
        server.server_close()
