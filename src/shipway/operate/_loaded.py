"""A release's model in the caller's own process: beside the caller's code where that runs in the release's environment, and
otherwise in a process of that environment, behind a pipe.

It is the predictor that a server and batch scoring are made of, it has repeated its golden rows before it answers, and
nothing is fetched from a network for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from shipway.environment import unlike_here
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, GoldenMismatch, ModelUnknown, Predictable, Signature, read_golden
from shipway.operate._piped import PipedCommand, PipedPredictor, ScoringFailed
from shipway.operate._serving import deployed_config, lone_config, model_of, piped_words
from shipway.release import find_component, load_components
from shipway.serve import (
    Arrays,
    Cost,
    Identity,
    Predictor,
    Request,
    ServingConfig,
    load_config,
    measure_cost,
    open_log,
    open_model,
    table_columns,
)
from shipway.serve.piped import ERROR
from shipway.store import Store

EMBEDDED = "embedded"  # the environment and the deployment of what no deployment has


PORTABLE = frozenset({"onnx"})


class ReleaseClosed(ShipwayError):
    """A loaded release was closed, and is asked all the same."""

    code = "operate.release-closed"


class LoadedRelease:
    """A model of a release, ready to answer. Any thread may ask; one is answered at a time.

    release: its digest; apart: why it answers from a process of its own, empty when it does in this one; golden: inputs and
    outputs of its golden rows.
    """

    def __init__(
        self,
        predictor: Predictor,
        cost: Cost,
        *,
        golden: tuple[Arrays, Arrays],
        apart: str,
        close: Callable[[], object],
    ) -> None:
        self.predictor, self.cost, self.golden, self.apart = predictor, cost, golden, apart
        self.release, self.signature = Digest(predictor.identity.release), predictor.signature
        self._close, self._lock = close, threading.Lock()
        self.closed = False

    def predict(self, table: object) -> dict[str, Array]:
        """One array for each output, a value a row.

        table: columns by name, rows as objects or lists, an array of numpy, a frame of Polars or pandas, a table of pyarrow;
        columns that the model does not take are passed over. Raises TableUnknown, InputMismatch, PredictionFailed,
        ReleaseClosed.
        """
        columns = table_columns(table, self.signature)
        with self._lock:
            if self.closed:
                raise ReleaseClosed("the release is closed", where=self.release, mend="shipway.load(...) loads it again")
            outputs = self.predictor.predict(Request(None, columns)).outputs
        return {name: array if array.flags.writeable else array.copy() for name, array in outputs.items()}

    def close(self) -> None:
        """End what answers, and seal the log; a second time does nothing."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._close()

    def __enter__(self) -> LoadedRelease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "in a process of its own" if self.apart else "in this process"
        return f"<{self.predictor.identity.model_name} of release {self.release}, {where}>"


def load_release(
    store: Store,
    release: Digest,
    *,
    model: str | None,
    environ: Mapping[str, str],
    cache: Path,
    report: Callable[[str], None],
    deployment: Digest | None = None,
    held: ExitStack | None = None,
) -> LoadedRelease:
    """Load a model of a release. model None: its only one; environ: all that a process of its own gets.

    deployment: whose predictions these are, which are then logged as `shipway serve` does; held: what must stay open as long
    as it answers. Raises NotServable, EnvironmentFailed, ObjectDamaged, ObjectMissing, ModelUntrusted, GoldenMismatch,
    ScoringFailed, LogNotWritten.
    """
    with ExitStack() as opened:
        if held is not None:
            opened.enter_context(held)
        components = load_components(store, release)
        found, environment = model_of(components, release, model), find_component(components, "environment").digest
        file = lone_config(store, release, found)
        config = deployed_config(store, deployment, release, found) if deployment else load_config(file)
        manifest = store.get(found.digest, "model")
        value = store.get(environment, "environment")
        lock = store.objects.get(Descriptor.from_json(value["lock"]).digest)
        apart = unlike_here(lock, python=str(value["python"]))
        if manifest.get("functions"):  # their modules could be called as some of the caller's
            apart = apart or "functions of the release's own run apart"
        if manifest.get("allow_pickle"):
            apart = apart or "a model that may run code when it is loaded answers apart"
        portable = portable_here(load_config(file)) if apart else None
        if portable is not None:
            answers: Predictable = portable
            apart = ""
        elif apart:
            words = piped_words(store, file, environment, cache=cache, report=report, offline=True)
            piped = PipedModel(PipedCommand(words, tuple(sorted(environ.items()))), Signature.from_json(manifest["signature"]))
            opened.callback(piped.close)
            answers = piped
        else:
            answers = _one_thread(open_model(load_config(file)).model)
        golden = read_golden(store.objects.get(Descriptor.from_json(manifest["golden"]).digest))
        log = open_log(config)
        if log is not None:
            opened.callback(log.close)
        place = (config.application, config.environment, release, config.deployment) if deployment else None
        identity = Identity(*(place or (found.name, EMBEDDED, release, EMBEDDED)), config.arm, found.name)
        predictor = Predictor(answers, identity, key=config.key, time_column=config.time, log=log)
        cost = measure_cost(answers, golden[0])
        return LoadedRelease(predictor, cost, golden=golden, apart=apart, close=opened.pop_all().close)


def portable_here(config: ServingConfig) -> Predictable | None:
    """The model in this process although this is not its environment: of a format that other versions of its library answer
    alike, as its golden rows have shown here; None where it is of no such format, or they have not.
    """
    model = config.model
    if model.get("format") not in PORTABLE or model.get("functions") or model.get("tolerance"):  # of a converted one
        return None
    try:
        return open_model(config).model
    except (GoldenMismatch, ModelUnknown):
        return None


class PipedModel:
    """A model that answers from a process of its own; started again once when it dies, and after a fork of this one."""

    def __init__(self, command: PipedCommand, signature: Signature) -> None:
        self.signature = signature
        self._command, self._predictor, self._pid = command, PipedPredictor(command), os.getpid()

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs; raises ScoringFailed, also where the model fails on a row."""
        answers = self._ask(columns)
        if ERROR in answers:
            said = next(text for text in answers[ERROR].tolist() if text is not None)
            raise ScoringFailed(str(said))
        return answers

    def close(self) -> None:
        if self._pid == os.getpid():
            self._predictor.close()

    def _ask(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        if self._pid != os.getpid():  # its pipe is the parent's, who goes on with it
            self._predictor, self._pid = PipedPredictor(self._command), os.getpid()
        try:
            return self._predictor.score(columns)
        except ScoringFailed:
            if self._predictor.alive:
                raise
        self._predictor.close()
        self._predictor = PipedPredictor(self._command)
        return self._predictor.score(columns)


def _one_thread(model: Predictable) -> Predictable:
    """With one thread in numeric libraries, as a server has it: sums in another order are other bits."""
    try:
        controller: Any = import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        return model
    return _Limited(model, controller)


class _Limited:
    def __init__(self, model: Predictable, controller: Any) -> None:
        self._model, self._controller, self.signature = model, controller, model.signature

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        with self._controller.limit(limits=1):
            return self._model.predict(columns)
