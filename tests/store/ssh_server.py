"""A real SFTP server on the loopback, whose disk can be full, whose road can be cut, and which may lie about bytes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh import FX_NO_SPACE_ON_FILESYSTEM


@dataclass
class SftpHost:
    """url: of its root, a folder of this machine. Each fault holds until it is taken back."""

    port: int = 0
    room: int | None = None  # bytes that it still takes
    cut_after: int | None = None  # bytes read, of all files together, after which each connection is closed
    read: list[tuple[str, int]] = field(default_factory=list)  # which bytes were asked for: the end of a name, the place
    connections: list[Any] = field(default_factory=list)

    def url(self, folder: Path) -> str:
        return f"ssh://127.0.0.1:{self.port}{folder}"


class _Files(asyncssh.SFTPServer):
    def __init__(self, host: SftpHost, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan)
        self._host, self._names = host, dict[Any, str]()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        file = super().open(path, pflags, attrs)
        self._names[file] = path.decode()[-62:]
        return file

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        host = self._host
        host.read.append((self._names[file_obj], offset))
        if host.cut_after is not None:
            host.cut_after -= size
            if host.cut_after < 0:
                for one in host.connections:
                    one.abort()
                raise asyncssh.SFTPConnectionLost("cut")
        return super().read(file_obj, offset, size)  # type: ignore[return-value]

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._host.room is not None:
            self._host.room -= len(data)
            if self._host.room < 0:
                raise asyncssh.SFTPError(FX_NO_SPACE_ON_FILESYSTEM, "No space left on device")
        return super().write(file_obj, offset, data)  # type: ignore[return-value]


class _Door(asyncssh.SSHServer):
    def __init__(self, host: SftpHost) -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._host.connections.append(conn)


@contextmanager
def sftp_host(home: Path) -> Iterator[SftpHost]:
    """The server; below `home` there are the key that it lets in and the list of known hosts that has its own."""
    host, ready, done = SftpHost(), threading.Event(), asyncio.Event()
    theirs, ours = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    folder = home / ".ssh"
    folder.mkdir(parents=True, mode=0o700)
    ours.write_private_key(folder / "id_ed25519")
    allowed = asyncssh.import_authorized_keys(ours.export_public_key().decode())
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[theirs], authorized_client_keys=allowed,
            server_factory=lambda: _Door(host), sftp_factory=lambda chan: _Files(host, chan),
        )  # fmt: skip
        host.port = server.get_port()
        ready.set()
        await done.wait()
        server.close()
        for one in host.connections:
            one.abort()
        for one in host.connections:
            await one.wait_closed()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # transports close in the next rounds of the loop

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    known = theirs.export_public_key().decode().strip()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{host.port} {known}\n")
    try:
        yield host
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
