"""The life of a predictor with a second port: found, logged, drained, killed, and taken over without a failed call."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_help import call, channel, infer_message, mirror_app, refusal
from wire_help import TEXT_INPUTS, Served, ask, make_served, rows_of, start

from shipway.kernel.digest import Digest
from shipway.operate._group import Group
from shipway.operate._serve import Serving
from shipway.protocols._grpc_messages import kinds
from shipway.protocols._server import GrpcMissing, Place, _second_port
from shipway.store import FailureRecord

INFER = "inference.GRPCInferenceService/ModelInfer"
ROW = rows_of(TEXT_INPUTS, 1)
CLIENTS = 3


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return make_served(tmp_path_factory.mktemp("grpc"), TEXT_INPUTS, trees=2)


class Load:
    """Clients over gRPC that send single rows one after another; what was answered, and what failed how."""

    def __init__(self, address: str) -> None:
        self.answered: set[str] = set()
        self.failed: list[grpc.StatusCode] = []
        self._address, self._stop = address, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(client,)) for client in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        with channel(self._address) as found:
            for i in range(1_000_000):
                if self._stop.wait(0.01):
                    return
                id = f"{client}-{i}"
                try:
                    call(found, INFER, infer_message(ROW, model="delay", id=id))
                    self.answered.add(id)
                except grpc.RpcError as problem:
                    self.failed.append(problem.code())


def test_one_process_answers_at_two_ports_into_one_log_and_drains_both(served: Served, tmp_path: Path) -> None:
    served = served.logging_to(tmp_path)
    process = start(served.config(), "--port", "0", "--grpc-port", "0")
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with channel(f"127.0.0.1:{ready['grpc']}") as found:
            call(found, INFER, infer_message(ROW, model="delay", id="g"))
            assert refusal(found, INFER, infer_message({"hour": ROW["hour"]}, model="delay"))[0].name == "INVALID_ARGUMENT"
            assert refusal(found, INFER, b"\xff")[0].name == "INVALID_ARGUMENT"
            assert refusal(found, INFER, infer_message(ROW))[0].name == "NOT_FOUND"
        inputs = [{"name": n, "shape": [1], "datatype": TEXT_INPUTS[n], "data": v.tolist()} for n, v in ROW.items()]
        body = json.dumps({"id": "h", "inputs": inputs}).encode()
        assert ask(f"127.0.0.1:{ready['port']}", "POST", "/v2/models/delay/infer", body).status == 200
        page = ask(f"127.0.0.1:{ready['port']}", "GET", "/metrics").body.decode()
        assert 'shipway_predictor_requests_total{status="200"} 2' in page
        with Load(f"127.0.0.1:{ready['grpc']}") as load:
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    logged = {record.request: (record.columns, record.outputs) for record in served.records()}
    assert logged["g"] == logged["h"]
    failures = [record.status for record in served.others() if isinstance(record, FailureRecord)]
    assert failures == [400, 400]  # another model is none of ours
    assert len(load.answered) > 10
    assert load.answered <= logged.keys()
    assert set(load.failed) <= {grpc.StatusCode.UNAVAILABLE}  # nobody listens any more


def group(folder: Path) -> Group:
    return Group("deploy/delay@prod", 0, folder / "log.txt", {"PATH": os.environ["PATH"]}, {}, grpc_port=0)


def serving(served: Served, release: str) -> Serving:
    config = replace(served, folder=served.folder / release[7:11]).config(release=release)
    command = (sys.executable, "-m", "shipway.protocols.predictor", "--config", str(config))
    digest = Digest(release)
    return Serving("deploy/delay@prod", digest, digest, command, 1, returns=True, grpc=False)


def releases(served: Served, folder: Path) -> Iterator[tuple[Served, str]]:
    served = served.logging_to(folder)
    for name in ("aaaa", "bbbb"):
        (folder / name).mkdir()
        yield served, f"sha256:{name * 16}"


def said(address: str) -> str:
    with channel(address) as found:
        answer = call(found, INFER, infer_message(ROW, model="delay"))
    return str(kinds().messages["inference.ModelInferResponse"].FromString(answer).model_version)


def wait_for(address: str, release: str) -> None:
    """New connections are this release's, a moment after the old one was told to stand aside."""
    end = time.monotonic() + 10
    while said(address) != release:
        assert time.monotonic() < end


def take_over(served: Served, folder: Path, *, times: int) -> None:
    (one, first), (_, second) = releases(served, folder)
    found = group(folder)
    try:
        found.switch(serving(one, first))
        assert found.grpc is not None
        with Load(found.grpc) as load:
            for _ in range(times):
                for release in (second, first):
                    time.sleep(0.2)
                    if not found.switch_back(Digest(release)):
                        found.switch(serving(one, release))
                    wait_for(found.grpc, release)
            time.sleep(0.2)
            assert load.failed == []
            assert len(load.answered) > 20
            found.workers[0].process.kill()
            assert found.switch_back(Digest(second))
            wait_for(found.grpc, second)
        assert len(load.failed) <= CLIENTS
        assert set(load.failed) <= {grpc.StatusCode.UNAVAILABLE}
    finally:
        found.stop()


def test_releases_take_over_without_a_failed_call_and_a_killed_worker_fails_those_in_hand(
    served: Served, tmp_path: Path
) -> None:
    take_over(served, tmp_path, times=2)


@pytest.mark.slow
def test_twenty_four_take_over_without_a_failed_call(served: Served, tmp_path: Path) -> None:
    take_over(served, tmp_path, times=12)


def test_libraries_that_do_not_load_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hpack", None)
    for name in ("_grpc_server", "_http2", "_http2_headers"):
        monkeypatch.delitem(sys.modules, f"shipway.protocols.{name}")
    with pytest.raises(GrpcMissing, match="gRPC needs hpack and protobuf, and they do not load: import of hpack halted"):
        _second_port(mirror_app({"FP64": "FP64"}), Place(port=0))
