"""The messages that go over gRPC, made of our own `.proto` files in a pool of our own.

A pool of our own, because clients of the same protocol register the same names in protobuf's default one: both may live in one
process. protobuf is the project's where it has one, else the overlay's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

from shipway.protocols._http import BodyMalformed

INFERENCE = "inference.GRPCInferenceService"


class Kinds(NamedTuple):
    """Every message by its full name; the files that they come from, serialized, by name; and services with their file."""

    messages: dict[str, Any]
    files: dict[str, bytes]
    services: dict[str, str]


@cache
def kinds() -> Kinds:
    """Read once a process."""
    found = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath("proto/descriptors.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    messages: dict[str, Any] = {}
    services: dict[str, str] = {}
    for one in found.file:
        pool.AddSerializedFile(one.SerializeToString())
        for kind in one.message_type:
            name = f"{one.package}.{kind.name}"
            messages[name] = _class(pool.FindMessageTypeByName(name), pool)
        services |= {f"{one.package}.{service.name}": one.name for service in one.service}
    return Kinds(messages, {one.name: one.SerializeToString() for one in found.file}, services)


def kind_of(name: str) -> Any:
    """The class of a message of the package inference."""
    return kinds().messages[f"inference.{name}"]


def parse_message(kind: Any, data: bytes) -> Any:
    """The message in these bytes; raises BodyMalformed."""
    try:
        return kind.FromString(data)
    except (message.DecodeError, RecursionError, ValueError) as problem:
        name = kind.DESCRIPTOR.full_name
        raise BodyMalformed(f"the message is no {name}: {str(problem)[:200] or type(problem).__name__}") from problem


def message_bytes(kind: Any, record: object) -> bytes:
    """A message of what its JSON would be, in the names of its fields."""
    return bytes(json_format.ParseDict(record, kind()).SerializeToString())


def _class(descriptor: Any, pool: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):  # since protobuf 4.22
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)
