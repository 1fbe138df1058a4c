"""`rag sync` as a function of AWS Lambda: its real runtime client, events as S3 and SQS write them, a real PostgreSQL, and a
real S3 on the loopback.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from function_world import (
    TEST_EVENT,
    Answer,
    Embeddings,
    Sandbox,
    bridged,
    embeddings,
    function,
    notification,
    queued,
    s3_record,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import BUCKET, new_schema, postgres_url, s3_client, s3_environ

from shipway.rag import load_members, load_version
from shipway.store import Store, open_store

pytest.importorskip("awslambdaric", reason="the runtime client is for Linux")

CREATED, MULTIPART = "ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload"
REMOVED, MARKED = "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"
_prefixes = itertools.count()

SPEC = """
project: assistant
providers:
  small: {{model: small, url: "{url}", key: secret://env/EMBEDDER_KEY}}
indexes:
  docs:
    source: "s3://{bucket}/{prefix}/docs"
    include: ["**/*.txt"]
    store: pgvector
    url: secret://env/PGVECTOR_URL
    embedder: small
  other: {{source: "s3://{bucket}/{prefix}/other", embedder: small, chunk: 50}}
"""


@dataclass
class World:
    """A project whose documents are in a bucket, and the functions that keep its indexes."""

    folder: Path
    prefix: str
    environ: dict[str, str]
    embedder: Embeddings
    sandbox: Sandbox
    store: Store
    client: Any

    def put(self, name: str, text: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=text.encode())

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")

    def record(self, kind: str, name: str) -> dict[str, Any]:
        return s3_record(kind, BUCKET, quote_plus(f"{self.prefix}/{name}", safe="/"))

    def documents(self, index: str = "docs") -> set[str]:
        version = load_version(self.store, self.store.resolve(f"index/{index}"))
        return {member.document for member in load_members(self.store, version)}

    def live(self, index: str) -> str | None:
        found = self.store.ref(f"index/{index}")
        return found.digest if found else None


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embeddings]:
    with embeddings() as made:
        yield made


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory, embedder: Embeddings) -> Iterator[World]:
    folder, prefix = tmp_path_factory.mktemp("project"), f"functions/{next(_prefixes)}"
    (folder / "shipway.yaml").write_text(SPEC.format(url=embedder.where, bucket=BUCKET, prefix=prefix))
    s3, catalogue, objects = dict(s3_environ()), new_schema(), f"s3://{BUCKET}/{prefix}-objects"
    environ = {
        **s3,
        "SHIPWAY_CATALOGUE": catalogue,
        "SHIPWAY_OBJECTS": objects,
        "PGVECTOR_URL": postgres_url(),
        "EMBEDDER_KEY": "a key",
    }
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in s3.items():
            patch.setenv(name, value)
        store = open_store(folder / "look", "assistant", catalogue=catalogue, objects=objects, create=True)
        stack.callback(store.close)
        sandbox = stack.enter_context(function("sync", folder, folder / "tmp", environ))
        yield World(folder, prefix, environ, embedder, sandbox, store, s3_client(s3))


@pytest.fixture(scope="module")
def second(module_world: World) -> Iterator[Sandbox]:
    """Another function of the same project, with a disk of its own."""
    with function("sync", module_world.folder, module_world.folder / "tmp2", module_world.environ) as sandbox:
        assert done(sandbox.invoke(TEST_EVENT)) == []
        yield sandbox


@pytest.fixture
def world(module_world: World) -> World:
    """Each test has documents of its own, and an index of its own version after them."""
    s3_environ()  # the bucket is there whatever another test's moto did
    module_world.embedder.reset()
    for name in ("docs/first.txt", "docs/second.txt", "docs/third.txt"):
        module_world.put(name, f"What stands in {name} is that retries are useful.")
    module_world.put("other/page.txt", "Another page about other things.")
    return module_world


def done(answer: Answer) -> list[dict[str, Any]]:
    """What was synced, of an event that came without a queue."""
    assert answer.error is None, answer.error
    assert answer.value["kind"] == "synced"
    found: list[dict[str, Any]] = answer.value["indexes"]
    return found


def test_an_event_brings_its_index_up_to_date_and_the_same_event_again_changes_nothing(world: World) -> None:
    event = notification(world.record(CREATED, "docs/first.txt"))
    (row,) = done(world.sandbox.invoke(event))
    assert (row["name"], row["documents"], row["moved"]) == ("docs", 3, True)
    (again,) = done(world.sandbox.invoke(event))
    assert (again["moved"], again["embedded"], again["digest"]) == (False, 0, row["digest"])


def test_events_in_any_order_leave_what_the_bucket_has(world: World) -> None:
    world.put("docs/late.txt", "It came late.")
    world.remove("docs/late.txt")
    done(world.sandbox.invoke(notification(world.record(REMOVED, "docs/late.txt"))))  # before that it was created
    assert "late.txt" not in world.documents()
    done(world.sandbox.invoke(notification(world.record(CREATED, "docs/late.txt"))))  # of an object that is gone
    assert "late.txt" not in world.documents()
    world.put("docs/late.txt", "It came back.")
    done(world.sandbox.invoke(notification(world.record(MARKED, "docs/late.txt"))))  # an old deletion
    assert "late.txt" in world.documents()
    world.remove("docs/late.txt")
    done(world.sandbox.invoke(bridged("Object Deleted", BUCKET, f"{world.prefix}/docs/late.txt")))
    assert world.documents() == {"first.txt", "second.txt", "third.txt"}


def test_a_key_with_blanks_plus_and_umlauts_is_the_document_of_that_name(world: World) -> None:
    name = "docs/Müller + Söhne 100%.txt"
    world.put(name, "They make pumps.")
    done(world.sandbox.invoke(notification(world.record(MULTIPART, name))))
    assert "Müller + Söhne 100%.txt" in world.documents()
    world.remove(name)
    done(world.sandbox.invoke(bridged("Object Deleted", BUCKET, f"{world.prefix}/{name}")))
    assert "Müller + Söhne 100%.txt" not in world.documents()


def test_a_folder_that_the_console_makes_is_no_document(world: World) -> None:
    """It is an empty object whose key ends with a slash."""
    world.put("other/drafts/", "")
    assert world.sandbox.invoke(queued(notification(world.record(CREATED, "other/drafts/")))).value == {"batchItemFailures": []}
    assert world.documents("other") == {"page.txt"}
    world.remove("other/drafts/")


def test_a_batch_syncs_each_index_once_and_what_is_of_none_is_said(world: World) -> None:
    world.put("docs/of no index.bin", "\0")
    names = [
        "docs/first.txt",
        "docs/second.txt",
        "docs/of no index.bin",
        "elsewhere/page.txt",
        "other/page.txt",
        "docs-2/x.txt",
    ]
    bodies = [notification(world.record(CREATED, name)) for name in names]
    before = world.sandbox.said().count("index/docs list ...")
    assert world.sandbox.invoke(queued(*bodies, TEST_EVENT)).value == {"batchItemFailures": []}
    said = world.sandbox.said()
    assert said.count("index/docs list ...") == before + 1
    strays = ("docs/of no index.bin", "elsewhere/page.txt", "docs-2/x.txt")
    assert f"of no index of assistant: {', '.join(f's3://{BUCKET}/{world.prefix}/{name}' for name in strays)}" in said
    assert done(world.sandbox.invoke(TEST_EVENT)) == []


def test_only_the_messages_of_an_index_that_failed_come_again(world: World) -> None:
    world.put("docs/poison.txt", "A word that breaks: xyzzy.")
    world.embedder.broken = "xyzzy"
    world.put("other/more.txt", "A page more, for the other index.")
    bodies = [notification(world.record(CREATED, name)) for name in ("docs/poison.txt", "other/more.txt", "docs/first.txt")]
    live = world.store.resolve("index/docs")
    answer = world.sandbox.invoke(queued(*bodies, "not JSON"))
    assert answer.value == {"batchItemFailures": [{"itemIdentifier": f"message-{number}"} for number in (0, 2, 3)]}
    assert world.store.resolve("index/docs") == live
    assert "more.txt" in world.documents("other")
    failed = world.sandbox.invoke(bodies[0])
    assert failed.error is not None
    assert failed.error["errorType"] == "EmbedderDown"
    world.embedder.broken = ""
    assert world.sandbox.invoke(queued(bodies[0])).value == {"batchItemFailures": []}
    assert "poison.txt" in world.documents()
    world.remove("docs/poison.txt")


def test_a_sync_stops_before_its_time_is_up_and_the_next_one_goes_on(world: World) -> None:
    words = [f"Sentence number {number} of a long page says {number * number}." for number in range(260)]
    world.put("other/long.txt", "\n\n".join(words))
    event = queued(notification(world.record(CREATED, "other/long.txt")))
    live = world.live("other")
    world.embedder.busy_until = time.time() + 3.6
    assert world.sandbox.invoke(event, seconds=33.5).value == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert "operate.time-up" in world.sandbox.said()
    assert world.live("other") == live
    first = world.embedder.texts
    assert first == 64, "one batch"
    assert world.sandbox.invoke(event).value == {"batchItemFailures": []}
    assert "long.txt" in world.documents("other")
    (batch,) = [row for row in world.embedder.calls if row != 64]
    assert world.embedder.texts == 64 * (len(world.embedder.calls) - 1) + batch < 260 + 10, "none of them twice"
    world.remove("other/long.txt")


def test_of_two_functions_at_once_one_waits_and_then_sees_what_came_meanwhile(world: World, second: Sandbox) -> None:
    world.put("docs/one.txt", "The first function embeds this for a while.")
    world.embedder.busy_until = time.time() + 1.2
    slow = world.sandbox.begin(notification(world.record(CREATED, "docs/one.txt")))
    assert world.embedder.begun.wait(20)
    world.put("docs/two.txt", "It came while the first function was at work.")
    (row,) = done(second.invoke(notification(world.record(CREATED, "docs/two.txt"))))
    (before,) = done(slow(30))
    assert before["moved"]
    assert (row["added"], row["moved"]) == (1, True)
    assert {"one.txt", "two.txt"} <= world.documents()
    for name in ("one", "two"):
        world.remove(f"docs/{name}.txt")


def test_a_function_that_cannot_wait_longer_asks_for_the_event_again(world: World, second: Sandbox) -> None:
    world.put("docs/one.txt", "Another text that takes a while.")
    world.embedder.free.clear()
    slow = world.sandbox.begin(notification(world.record(CREATED, "docs/one.txt")))
    assert world.embedder.begun.wait(20)
    answer = second.invoke(queued(notification(world.record(CREATED, "docs/one.txt"))), seconds=33.0)
    assert answer.value == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert "rag.sync-running" in second.said()
    world.embedder.free.set()
    done(slow(30))
    world.remove("docs/one.txt")


def test_what_s3_itself_sends_through_a_queue_is_understood(world: World) -> None:
    """Moto wires the bucket to the queue as AWS does, and its events are not of our making."""
    import boto3

    sqs = boto3.client("sqs", endpoint_url=world.environ["AWS_ENDPOINT_URL"], **credentials())
    url = sqs.create_queue(QueueName="documents")["QueueUrl"]
    (arn,) = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"].values()
    wanted = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]
    world.client.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": wanted})
    world.put("docs/a new + page.txt", "It was put by somebody.")
    world.remove("docs/third.txt")
    world.client.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    bodies = []
    while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
        bodies += [message["Body"] for message in got]
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    names = [json.loads(body)["Records"][0]["eventName"] for body in bodies if "Records" in json.loads(body)]
    assert {name.split(":")[0] for name in names} == {"ObjectCreated", "ObjectRemoved"}
    assert world.sandbox.invoke(queued(*bodies)).value == {"batchItemFailures": []}
    assert world.documents() == {"first.txt", "second.txt", "a new + page.txt"}
    world.remove("docs/a new + page.txt")


def credentials() -> dict[str, str]:
    return {"aws_access_key_id": "shipway", "aws_secret_access_key": "not a secret", "region_name": "us-east-1"}


def test_secrets_are_read_where_they_lie_and_no_value_is_said(world: World, tmp_path: Path) -> None:
    import boto3

    keeper = boto3.client("secretsmanager", endpoint_url=world.environ["AWS_ENDPOINT_URL"], **credentials())
    names = {"SHIPWAY_CATALOGUE", "PGVECTOR_URL", "EMBEDDER_KEY"}
    arns = {}
    for name in names:
        arns[name] = keeper.create_secret(Name=f"assistant-{tmp_path.name}/{name}", SecretString=world.environ[name])["ARN"]
    plain = {name: value for name, value in world.environ.items() if name not in names}
    event = notification(world.record(CREATED, "docs/first.txt"))
    with function("sync", world.folder, tmp_path / "good", {**plain, "SHIPWAY_SECRETS": json.dumps(arns)}) as sandbox:
        done(sandbox.invoke(event))
        keeper.delete_secret(SecretId=arns["EMBEDDER_KEY"], ForceDeleteWithoutRecovery=True)
        refused = sandbox.invoke(event)
        assert refused.error is not None
        assert refused.error["errorType"] == "SecretUnread"
        assert world.environ["SHIPWAY_CATALOGUE"] not in sandbox.said()


@pytest.mark.parametrize("missing", ["SHIPWAY_CATALOGUE", "SHIPWAY_OBJECTS"])
def test_without_a_place_that_lasts_nothing_is_synced(world: World, tmp_path: Path, missing: str) -> None:
    from shipway.cli._function_project import FunctionUnready, open_function

    environ = {name: value for name, value in world.environ.items() if name != missing}
    with pytest.raises(FunctionUnready, match=f"{missing} is not set"):
        open_function(environ, directory=world.folder, home=tmp_path)
    with pytest.raises(FunctionUnready, match="no JSON object") as caught:
        open_function({**world.environ, "SHIPWAY_SECRETS": "postgresql://ann:password@host/x"}, directory=world.folder)
    assert "password" not in caught.value.render()


def test_a_catalogue_that_is_away_sends_the_whole_batch_back(world: World, tmp_path: Path) -> None:
    away = {**world.environ, "SHIPWAY_CATALOGUE": "postgresql://shipway@127.0.0.1:9/shipway?connect_timeout=1"}
    with function("sync", world.folder, tmp_path, away) as sandbox:
        started = time.monotonic()
        answer = sandbox.invoke(queued(notification(world.record(CREATED, "docs/first.txt"))))
    assert answer.error is not None
    assert answer.error["errorType"] == "CatalogueDown"
    assert time.monotonic() - started < 30
