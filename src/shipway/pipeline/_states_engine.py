"""Executions of a state machine on AWS Step Functions: started, looked at, stopped; a run's name is that of its plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest
from shipway.pipeline._attempts import one_line, run_names, running, submit_once
from shipway.pipeline._engine import EngineRefused, EngineRun, Phase
from shipway.pipeline._states_client import Answer, StatesClient, stranger
from shipway.pipeline._states_history import Event, Task, steps_of, tasks_of

_PHASES = {"SUCCEEDED": Phase.SUCCEEDED, **dict.fromkeys(("FAILED", "TIMED_OUT", "ABORTED"), Phase.FAILED)}
_LONGEST = 60  # of a machine's name in that of a run, which has 80 characters at most
_LATE = 20  # looks at a run that we have started and AWS does not know of yet
_PAGE = 1000  # events


class StepFunctionsEngine:
    """A state machine that `shipway render stepfunctions` made, as an Engine."""

    def __init__(self, client: StatesClient) -> None:
        self._client = client
        self._events: dict[str, dict[int, Event]] = {}
        self._tasks: dict[str, dict[str, Task]] = {}
        self._late: dict[str, int] = {}

    def submit(self, plan: Digest) -> str:
        """A run that is there already is followed; one that failed is followed by one of the next name."""
        create = partial(self._create, plan=plan)
        return submit_once(self._names(plan), create, lambda run: _phase(self._execution(run, plan)), place=self.place)

    def look(self, run: str) -> EngineRun:
        """Steps as far as they have been started or skipped; what puts elements together is not told of."""
        try:
            found = self._execution(run)
        except EngineRefused as answer:
            if answer.status != "ExecutionDoesNotExist":
                raise
            if self._late.get(run, 0):
                self._late[run] -= 1
                return EngineRun(Phase.RUNNING)
            mend = "the same command submits it again: what has been made is cached"
            raise EngineRefused(f"the run {run} is not there any more", where=self.place(run), mend=mend) from answer
        self._late.pop(run, None)
        phase = _phase(found)
        steps = steps_of(self._machine(run), self._history(run), over=phase is not Phase.RUNNING)
        message = ": ".join(one_line(str(found[name])) for name in ("error", "cause") if found.get(name))
        return EngineRun(phase, steps, message or ("stopped" if found.get("status") == "ABORTED" else ""))

    def stop(self, plan: Digest) -> str | None:
        """The newest run of the plan, unless it has ended; its tasks are stopped with it."""
        newest = running(self._names(plan), partial(self._phase_if_there, plan=plan))
        if newest:
            said = {"error": "Stopped", "cause": "by shipway run --stop"}
            self._client.ask("stop_execution", executionArn=self._client.execution(newest), **said)
        return newest

    def place(self, run: str) -> str:
        return self._client.page(run)

    def _names(self, plan: Digest) -> Iterator[str]:
        return run_names(self._client.name[:_LONGEST], plan)

    def _create(self, run: str, plan: Digest) -> bool:
        """Whether AWS started it, or says so of one that runs with this plan already: it is the same question to it."""
        try:
            self._client.ask("start_execution", stateMachineArn=self._client.arn, name=run, input=json.dumps({"plan": plan}))
        except EngineRefused as answer:
            if answer.status == "ExecutionAlreadyExists":
                return False
            if answer.status == "StateMachineDoesNotExist":
                what = f"AWS has no state machine {self._client.name} in {self._client.region}"
                mend = "shipway render stepfunctions, then terraform apply; or SHIPWAY_STATE_MACHINE"
                raise EngineRefused(what, where=self._client.arn, mend=mend, status=answer.status) from answer
            raise
        self._late[run] = _LATE
        return True

    def _execution(self, run: str, plan: Digest | None = None) -> Answer:
        """Raises EngineRefused for one of this name that is of another plan, or not there, or no execution at all."""
        found = self._client.ask("describe_execution", executionArn=self._client.execution(run))
        if not isinstance(found.get("status"), str):
            raise stranger(self.place(run))
        if plan and _document(found.get("input")) != {"plan": plan}:
            raise EngineRefused(f"the execution {run} is not one of this plan", where=self.place(run))
        return found

    def _phase_if_there(self, run: str, plan: Digest) -> Phase | None:
        try:
            return _phase(self._execution(run, plan))
        except EngineRefused as answer:
            if answer.status == "ExecutionDoesNotExist":
                return None
            raise

    def _machine(self, run: str) -> Mapping[str, Task]:
        """As it was when the run began: it may have been rendered anew since."""
        if run not in self._tasks:
            found = self._client.ask("describe_state_machine_for_execution", executionArn=self._client.execution(run))
            self._tasks[run] = tasks_of(_document(found.get("definition")))
        return self._tasks[run]

    def _history(self, run: str) -> Iterable[Event]:
        """Read from its end to what is known of it."""
        known = self._events.setdefault(run, {})
        newest, news, token = max(known, default=0), dict[int, Event](), dict[str, str]()
        ask = partial(self._client.ask, "get_execution_history", executionArn=self._client.execution(run))
        while True:
            page = ask(maxResults=_PAGE, reverseOrder=True, includeExecutionData=False, **token)
            events, more = page.get("events"), page.get("nextToken")
            if not isinstance(events, list):
                raise stranger(self.place(run))
            read = [_event(one) for one in events]
            news |= {event.id: event for event in read}
            if not isinstance(more, str) or not more or any(event.id <= newest for event in read):
                break
            token = {"nextToken": more}
        known |= news
        return known.values()


def _phase(execution: Answer) -> Phase:
    return _PHASES.get(str(execution.get("status")), Phase.RUNNING)


def _document(text: object) -> Json:
    try:
        found: Json = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found


def _event(raw: Mapping[str, object]) -> Event:
    """botocore has seen to the types of what is there."""
    named, begun = raw.get("stateEnteredEventDetails"), raw.get("mapIterationStartedEventDetails")
    at, index = raw.get("timestamp"), begun.get("index") if isinstance(begun, Mapping) else None
    return Event(
        int(str(raw.get("id", 0))),
        int(str(raw.get("previousEventId", 0))),
        str(raw.get("type")),
        at.timestamp() if isinstance(at, datetime) else 0.0,
        str(named.get("name", "")) if isinstance(named, Mapping) else "",
        index if isinstance(index, int) else None,
    )
