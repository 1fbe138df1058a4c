"""Workers at one listening socket share the connections that come."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from shipway.protocols._accept import Acceptor


def at_one_socket(seen: Callable[[socket.socket], Awaitable[None]]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        asyncio.run(asyncio.wait_for(seen(listener), 30))


def connect(listener: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(count)]


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - counts have no event
        await asyncio.sleep(0.005)


def counting(counts: list[asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
    def protocol() -> asyncio.Protocol:
        counts.append(asyncio.Protocol())
        return counts[-1]

    return protocol


def test_a_worker_with_connections_leaves_the_next_to_one_without() -> None:
    async def seen(listener: socket.socket) -> None:
        busy: list[asyncio.Protocol] = []
        idle: list[asyncio.Protocol] = []
        workers = [Acceptor(listener.dup(), counting(busy), {1}), Acceptor(listener.dup(), counting(idle), ())]
        (client,) = connect(listener, 1)
        await until(lambda: bool(busy or idle))
        assert (len(busy), len(idle)) == (0, 1)
        for worker in workers:
            worker.close()
        client.close()

    at_one_socket(seen)


def test_a_lone_worker_takes_a_burst_whole() -> None:
    async def seen(listener: socket.socket) -> None:
        taken: list[asyncio.Protocol] = []
        worker = Acceptor(listener.dup(), counting(taken), {1})
        clients = connect(listener, 300)
        await until(lambda: len(taken) == len(clients))
        worker.close()
        for client in clients:
            client.close()

    at_one_socket(seen)


def test_a_closed_one_accepts_no_more_and_waits_for_what_it_has_begun() -> None:
    async def seen(listener: socket.socket) -> None:
        taken: list[asyncio.Protocol] = []
        worker = Acceptor(listener.dup(), counting(taken), ())
        clients = connect(listener, 1)
        await until(lambda: bool(taken))
        worker.close()
        worker.close()
        await worker.wait_closed()
        clients += connect(listener, 1)
        await asyncio.sleep(0.02)
        assert len(taken) == 1
        for client in clients:
            client.close()

    at_one_socket(seen)
