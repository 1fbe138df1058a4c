"""Server reflection: a client without our `.proto` files asks which services there are and what describes them."""

from __future__ import annotations

from typing import Any

from shipway.protocols._grpc_call import Call, Converse
from shipway.protocols._grpc_messages import Kinds, kinds, parse_message
from shipway.protocols._grpc_status import Code


def reflect(version: str) -> Converse:
    """The conversation of one version of the protocol, v1 or v1alpha."""
    request, response = (f"grpc.reflection.{version}.ServerReflection{name}" for name in ("Request", "Response"))

    async def answer(call: Call) -> None:
        known = kinds()
        async for message in call.messages():
            asked = parse_message(known.messages[request], message)
            found = known.messages[response](valid_host=asked.host)
            found.original_request.CopyFrom(asked)
            _answer(asked, found, known)
            await call.send(bytes(found.SerializeToString()))

    return answer


def _answer(asked: Any, found: Any, known: Kinds) -> None:
    if asked.HasField("list_services"):
        for name in known.services:
            found.list_services_response.service.add(name=name)
        return
    file = asked.file_by_filename if asked.HasField("file_by_filename") else _file_of(asked.file_containing_symbol, known)
    if file in known.files:  # none of them imports another
        found.file_descriptor_response.file_descriptor_proto.append(known.files[file])
        return
    found.error_response.error_code = Code.NOT_FOUND
    found.error_response.error_message = "nothing of this name here"


def _file_of(symbol: str, known: Kinds) -> str:
    """The file that has a service, a method, a message or something within one."""
    for name, file in known.services.items():
        if symbol == name or symbol.startswith(f"{name}."):
            return file
    for name, kind in known.messages.items():
        if symbol == name or symbol.startswith(f"{name}."):
            return str(kind.DESCRIPTOR.file.name)
    return ""
