"""Every command: where it lives and what it does in one line, so that `--help` imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command in `shipway.cli.<module>` as the attribute `command`."""

    module: str
    help: str
    daily: bool


COMMANDS: dict[str, Entry] = {
    "init": Entry("init", "Start a project here: a store, and four files that run as they are.", daily=True),
    "lock": Entry("lock", "Pin the project's requirements with hashes.", daily=True),
    "up": Entry("up", "Start the control plane: page, API, predictors, MLflow.", daily=True),
    "run": Entry("run", "Snapshot the data, run the pipeline, make the models.", daily=True),
    "check": Entry("check", "Measure the candidate: contracts, evaluation, against live.", daily=True),
    "release": Entry("release", "Lock all that determines an answer into one release.", daily=True),
    "plan": Entry("plan", "Show live against desired, and what the gate would say.", daily=True),
    "approve": Entry("approve", "Sign that a release may go live, or that another object may move.", daily=True),
    "apply": Entry("apply", "Move a deployment to the release, if its gate allows.", daily=True),
    "rollback": Entry("rollback", "Return a deployment to what was live before.", daily=True),
    "log": Entry("log", "Show who moved what, when, from where to where, and why.", daily=True),
    "why": Entry("why", "Go back from a ref, a prediction, an alert or a digest to the evidence.", daily=True),
    "diff": Entry("diff", "Show what differs between two objects of one kind.", daily=True),
    "rebuild": Entry("rebuild", "Make a release again in a new folder and say how equal it came out.", daily=True),
    "reject": Entry("reject", "Sign that something must not move, alone or inside a release.", daily=False),
    "comment": Entry("comment", "Sign a remark about something that wants to move.", daily=False),
    "at": Entry("at", "Say what a ref pointed at then, who had put it there, since when and until when.", daily=False),
    "lineage": Entry("lineage", "Show what an object came from and what used it.", daily=False),
    "eval": Entry("eval", "Ask the golden sets, and compare with what is live.", daily=False),
    "prompt": Entry("prompt", "Prompts: point their refs at files, compare, show.", daily=False),
    "rag": Entry("rag", "Indexes of documents: bring up to date, compare, search.", daily=False),
    "gateway": Entry("gateway", "The LLM gateway: run it alone, costs, questions compared.", daily=False),
    "step": Entry("step", "Tasks of a run plan: make the plan, run a step, make the models.", daily=False),
    "data": Entry("data", "Snapshots of data sets: take, compare, check out, profile.", daily=False),
    "import": Entry("import_", "What another tool has becomes a project here: a DVC repository.", daily=False),
    "contract": Entry("contract", "Contracts of tables: propose one, check a suite, splits, personal data.", daily=False),
    "verify": Entry("verify", "Check every byte and every statement of a release or bundle.", daily=False),
    "key": Entry("key", "Keys: which one signs here, which are trusted, rotation and revocation.", daily=False),
    "render": Entry(
        "render", "Write the files that run this project elsewhere: clusters, clouds, monitoring, CI.", daily=False
    ),
    "store": Entry("store", "The store: check it, and bring it elsewhere.", daily=False),
    "serve": Entry("serve", "Serve one deployment here, in the foreground.", daily=False),
    "score": Entry("score", "Score the rows of files with a model of a release.", daily=False),
    "outcomes": Entry("outcomes", "Show what became true of the predictions, by name.", daily=False),
    "incident": Entry("incident", "Show what is wrong, since when, why perhaps, and silence it.", daily=False),
    "bisect": Entry("bisect", "Say which component moved a metric between two releases.", daily=False),
    "retrain": Entry("retrain", "Make a challenger, compare it with live, and open a plan.", daily=False),
    "watch": Entry("watch", "Judge the days of a deployment that have not been judged.", daily=False),
}
