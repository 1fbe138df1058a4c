"""A small lakeFS: repositories whose branches point at commits, the part of its API that is read, on the loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY, SECRET = "AKIAJLAKE", "not a secret"


class Lake:
    """repositories: name -> refs (branch or tag -> commit); commits: id -> path -> bytes. fails: answers of 503 to come."""

    def __init__(self) -> None:
        self.refs: dict[str, dict[str, str]] = {}
        self.commits: dict[str, dict[str, bytes]] = {}
        self.collected: set[bytes] = set()  # objects whose bytes are gone
        self.asked: list[str] = []
        self.fails = 0
        self.cut = False
        self.url = ""

    def commit(self, repository: str, branch: str, files: dict[str, bytes]) -> str:
        number = hashlib.sha256(f"{repository} {branch} {len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits[number] = dict(files)
        self.refs.setdefault(repository, {})[branch] = number
        return number

    def environ(self) -> dict[str, str]:
        return {
            "LAKECTL_SERVER_ENDPOINT_URL": self.url,
            "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": KEY,
            "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": SECRET,
        }

    def answer(self, target: str, authorization: str) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        self.asked.append(parts.path)
        if self.fails:
            self.fails -= 1
            return 503, b"{}", {}
        if authorization != "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode():
            return 401, b'{"message": "error authenticating request"}', {}
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        words = [unquote(word) for word in parts.path.removeprefix("/api/v1/").split("/")]
        if len(words) < 5 or words[0] != "repositories" or words[2] != "refs" or words[1] not in self.refs:
            return 404, b'{"message": "not found"}', {}
        found = self.refs[words[1]].get(words[3], words[3])
        files = self.commits.get(found)
        if files is None:
            return 404, b'{"message": "ref not found"}', {}
        if words[4:] == ["commits"]:
            return _document({"results": [{"id": found, "parents": [], "message": ""}], "pagination": {"has_more": False}})
        if words[4:] == ["objects", "ls"]:
            return _document(_page(files, query))
        data = files.get(query["path"])
        if data is None:
            return 404, b'{"message": "path not found"}', {}
        if data in self.collected:
            return 410, b'{"message": "resource physically deleted"}', {}
        return 200, data, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}


def _page(files: dict[str, bytes], query: dict[str, str]) -> dict[str, Any]:
    wanted = sorted(path for path in files if path.startswith(query["prefix"]) and path > query["after"])
    shown = wanted[: min(int(query["amount"]), 3)]  # small pages, so that there are several
    results = [
        {
            "path": path,
            "path_type": "object",
            "checksum": hashlib.md5(files[path]).hexdigest(),
            "size_bytes": len(files[path]),
            "mtime": 0,
            "physical_address": "local://x",
        }
        for path in shown
    ]
    pagination = {"has_more": len(wanted) > len(shown), "next_offset": shown[-1] if shown else "", "max_per_page": 1000}
    return {"results": results, "pagination": {**pagination, "results": len(shown)}}


def _document(value: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {}


@contextmanager
def open_lake() -> Iterator[Lake]:
    lake = Lake()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, data, headers = lake.answer(self.path, self.headers.get("Authorization") or "")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:-1] if lake.cut and headers else data)

        def log_message(self, format: str, *given: object) -> None:
            """Nothing on the terminal of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield lake
    finally:
        server.shutdown()
        server.server_close()
