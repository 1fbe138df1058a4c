"""Stages of dvc.yaml run here as DVC runs them: the real one takes up what we have made, and we its."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from dvc_project import FILES, write_project
from pipeline_help import ENVIRON, Heard

from shipway.access import Actor, open_keys
from shipway.data.dvc import DvcMalformed, DvcMissing, DvcUnsupported, make_dvc
from shipway.environment import default_cache
from shipway.kernel.errors import ShipwayError
from shipway.pipeline import Hands, PipelineMalformed, ProjectIncomplete, run_project, take_request
from shipway.pipeline.dvc import StageFailed, export_stages, newest_runs, order_stages, read_stages, refuse_made
from shipway.spec import Spec, load_spec
from shipway.store import FileUnreadable, Foreign, open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))  # the real DVC

from dvc_help import run_dvc, tree_of, write_tree

TRAIN = ("work/model.bin", "work/args.txt", "work/run.sh", "work/metrics.json", "work/loss.csv")


class Project:
    """A project with a dvc.yaml, its store, and who runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        signer, ring = open_keys(root.parent / f"{root.name}-keys")
        store = open_store(root, self.spec.project, create=True)
        self.hands = Hands(store, signer, ring, Actor("ann@example.org", frozenset({"admin"})), default_cache())

    @property
    def spec(self) -> Spec:
        return load_spec(self.root / "shipway.yaml")

    def run(self, *, reuse: bool = True) -> Heard:
        heard = Heard()
        run_project(self.hands, self.spec, report=heard, environ={**ENVIRON, "SHELL": "/bin/sh"}, reuse=reuse)
        return heard

    def export(self, remote: Foreign | None = None) -> None:
        export_stages(self.hands.store, make_dvc(self.root), self.root, "dvc.yaml", remote=remote)

    def output(self, path: str) -> bytes:
        """What the newest run has at a path."""
        for run in newest_runs(self.hands.store, "dvc.yaml"):
            for part in run.outs:
                for file in part.below():
                    if file.path == path:
                        return self.hands.store.objects.get(file.digest)
        raise KeyError(path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "repo"
    write_project(root)
    return Project(root)


def small(root: Path, stages: str, **files: bytes) -> Project:
    """A project with these stages. files: by their name, with _ for the dot."""
    named = {name.replace("_", "."): data for name, data in files.items()}
    spec = b"project: p\npipeline: dvc.yaml\n"
    write_tree(root, {"shipway.yaml": spec, "dvc.yaml": f"stages:\n{stages}".encode(), **named})
    return Project(root)


def test_dvc_says_of_what_we_ran_that_it_is_up_to_date_and_would_lock_the_same(project: Project, tmp_path: Path) -> None:
    root = project.root
    heard = project.run()
    assert heard.ran[0] == "prepare"
    assert sorted(heard.ran) == sorted(stage.name for stage in read_stages(root, "dvc.yaml"))
    assert {name: data for name, data in tree_of(root).items() if not name.startswith(".shipway")} == FILES, (
        "nothing was written"
    )
    project.export(Foreign(tmp_path / "there", {}))
    lock = (root / "dvc.lock").read_bytes()
    said = run_dvc(root, "add|data", f"remote|add|-d|there|{tmp_path}/there", "checkout", "status", "repro")
    assert "up to date" in said[3]
    assert "Running stage" not in said[4]
    assert (root / "work/args.txt").read_text() == "0.5 true 8 --lr 0.5 --layers 8 4 --fast --name 'two words'\n"
    made = {name: (root / name).read_bytes() for name in TRAIN}
    said = run_dvc(root, "repro|-f", "status")
    assert (root / "dvc.lock").read_bytes() == lock, "dvc repro -f locks the same bytes"
    assert {name: (root / name).read_bytes() for name in TRAIN} == made
    assert "up to date" in said[1]
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "prepared")
    run_dvc(root, "pull|prepared")
    assert (root / "prepared/a.csv").read_bytes() == project.output("prepared/a.csv")
    assert project.run().ran == [], "and nothing of it is run again"


def test_what_dvc_has_run_is_taken_from_its_lock_and_cache(project: Project) -> None:
    run_dvc(project.root, "init|--no-scm", "add|data", "repro")
    lock = (project.root / "dvc.lock").read_bytes()
    heard = project.run()
    assert heard.ran == []
    assert len(heard.reused) == 8
    assert project.output("work/metrics.json") == b'{"acc": 0.5}\n'
    project.export()
    assert (project.root / "dvc.lock").read_bytes() == lock
    project.run(reuse=False)
    (project.root / "dvc.lock").unlink()
    project.export()
    assert (project.root / "dvc.lock").read_bytes() == lock, "run here it is the same from the first byte on"


def test_only_what_a_change_concerns_is_run_again(project: Project) -> None:
    project.run()
    (project.root / "params.yaml").write_bytes(FILES["params.yaml"].replace(b"seed: 'no'", b"seed: 'yes'"))
    (project.root / "README").write_text("no dep of anything")
    assert project.run().ran == []
    (project.root / "params.yaml").write_bytes(FILES["params.yaml"].replace(b"epochs: 1_0", b"epochs: 11"))
    assert project.run().ran == ["split@north", "split@south"], "whose values are as before, so train is not"
    (project.root / "data/a.csv").write_bytes(b"3\n")
    assert project.run().ran == ["prepare", "split@north", "split@south", "train"]
    (project.root / "data/a.csv").write_bytes(FILES["data/a.csv"])
    assert project.run().ran == []


def test_frozen_stages_are_not_run_persisted_outs_are_there_and_some_stages_run_always(tmp_path: Path) -> None:
    project = small(
        tmp_path / "repo",
        "  ice:\n    cmd: exit 1\n    frozen: true\n    outs: [old.txt]\n"
        "  more:\n    cmd: cat old.txt >> log.txt\n    deps: [old.txt]\n    outs:\n    - log.txt: {persist: true}\n"
        "  tell:\n    cmd: echo told\n"
        "  due:\n    cmd: date > now.txt\n    always_changed: true\n    outs: [now.txt]\n",
        old_txt=b"old\n",
        log_txt=b"before\n",
    )
    assert project.run().ran == ["more", "tell", "due"]
    assert project.output("log.txt") == b"before\nold\n"
    assert project.run().ran == ["tell", "due"]
    project.export()
    lock = (project.root / "dvc.lock").read_text()
    (project.root / "old.txt").write_text("melted\n")
    project.run()
    project.export()
    assert (project.root / "dvc.lock").read_text().partition("  more:")[0] == lock.partition("  more:")[0], (
        "DVC locks it no more"
    )
    (project.root / "old.txt").unlink()
    with pytest.raises(DvcMissing, match="frozen stage ice"):
        project.run()


@pytest.mark.parametrize(
    ("stages", "kind", "words"),
    [
        ("  a:\n    cmd: echo one; echo two >&2; exit 3\n    outs: [x]\n", StageFailed, "ended with 3: one . two"),
        ("  a:\n    cmd: kill -9 $$\n    outs: [x]\n", StageFailed, "signal 9"),
        ("  a:\n    cmd: 'true'\n    outs: [x]\n", StageFailed, "did not make x"),
        ("  a:\n    cmd: [touch x, no-such-program]\n    outs: [x]\n", StageFailed, "ended with 127"),
        ("  a:\n    cmd: ln -s /etc/passwd x\n    outs: [x]\n", FileUnreadable, "symbolic link"),
        ("  a:\n    cmd: touch x\n    deps: [gone.csv]\n    outs: [x]\n", DvcMissing, "gone.csv, which stage a needs"),
        ("  a:\n    cmd: touch x\n    params: [gone]\n    outs: [x]\n", DvcMissing, "no file of parameters"),
    ],
)
def test_a_stage_that_fails_is_one_error_and_is_not_remembered(
    tmp_path: Path, stages: str, kind: type[ShipwayError], words: str
) -> None:
    project = small(tmp_path / "repo", stages)
    with pytest.raises(kind, match=words):
        project.run()
    assert newest_runs(project.hands.store, "dvc.yaml") == []
    with pytest.raises(kind):
        project.run()


BAD = {
    "a circle": ("  a: {cmd: x, deps: [y], outs: [z]}\n  b: {cmd: x, deps: [z], outs: [y]}\n", DvcMalformed, "a -> b -> a"),
    "a circle of one": ("  a: {cmd: x, deps: [d/x], outs: [d]}\n", DvcMalformed, "circle: a -> a"),
    "two makers": ("  a: {cmd: x, outs: [o]}\n  b: {cmd: x, outs: [o]}\n", DvcMalformed, "made by a and by b"),
    "nested outs": ("  a: {cmd: x, outs: [o]}\n  b: {cmd: x, outs: [o/p]}\n", DvcMalformed, "lies in o"),
    "no command": ("  a: {outs: [o]}\n", DvcMalformed, "no cmd"),
    "an unknown key": ("  a: {cmd: x, dep: [o]}\n", DvcMalformed, "is not a key"),
    "an escape": ("  a: {cmd: x, outs: [../../o]}\n", DvcMalformed, "leads out"),
    "an absolute out": ("  a: {cmd: x, outs: [/o]}\n", DvcMalformed, "no path below"),
    "an absolute wdir": ("  a: {cmd: x, wdir: /o}\n", DvcMalformed, "no path below"),
    "an escape put in": ("  a: {cmd: x, outs: ['${up}/o']}\n", DvcMalformed, "leads out"),
    "an out elsewhere": ("  a: {cmd: x, outs: ['s3://b/o']}\n", DvcUnsupported, "outside"),
    "no such value": ("  a: {cmd: 'x ${nothing.here}'}\n", DvcMalformed, "no value nothing.here"),
    "something computed": ("  a: {cmd: 'x ${__import__(1)}'}\n", DvcMalformed, "no value"),
    "nothing inside": ("  a: {cmd: 'x ${}'}\n", DvcMalformed, "no name of a value"),
    "places inside places": ("  a: {cmd: 'x ${${up}}'}\n", DvcMalformed, "no name of a value"),
    "an attribute": ("  a: {cmd: 'x ${up.__class__}'}\n", DvcMalformed, "no value"),
    "a list in a text": ("  a: {cmd: 'x', wdir: '${many}'}\n", DvcMalformed, "whole list"),
    "no list to repeat over": ("  a: {foreach: '${up}', do: {cmd: x}}\n", DvcMalformed, "foreach is a list"),
    "foreach alone": ("  a: {foreach: [1]}\n", DvcMalformed, "without the other"),
    "many of many": ("  a: {matrix: {x: '${many}', y: '${many}', z: '${many}', w: '${many}'}, cmd: x}\n", DvcMalformed, "000"),
    "a matrix of nothing": ("  a: {matrix: {x: 1}, cmd: x}\n", DvcMalformed, "is a list"),
    "an alias": ("  a: &a {cmd: x}\n  b: *a\n", DvcMalformed, "alias"),
    "a conflict": ("<<<<<<< HEAD\n  a: {cmd: x}\n=======\n  a: {cmd: y}\n>>>>>>> b\n", DvcMalformed, "merge conflict"),
    "no stage": ("", DvcMalformed, "no stage"),
    "a value twice": ("  a: {cmd: x, vars: [{up: 1}]}\n", DvcMalformed, "has a value already"),
    "no such file of values": ("  a: {cmd: x, vars: [gone.yaml]}\n", DvcMissing, "no file of parameters"),
    "parameters in Python": ("  a: {cmd: x, params: [{p.py: [x]}]}\n", DvcUnsupported, "in Python"),
    "no such parameter": ("  a: {cmd: x, params: [up.down]}\n", DvcMissing, "no parameter up.down"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_dvc_yaml_that_means_nothing_is_one_clear_error(name: str, tmp_path: Path) -> None:
    text, kind, words = BAD[name]
    many = ", ".join(map(str, range(12)))
    write_tree(
        tmp_path,
        {"dvc.yaml": f"stages:\n{text}".encode(), "params.yaml": f"up: ..\nmany: [{many}]\n".encode(), "p.py": b"x = 1\n"},
    )
    with pytest.raises(kind, match=words) as caught:
        order_stages(read_stages(tmp_path, "dvc.yaml"))
    assert caught.value.where


def test_values_are_put_in_as_text_and_never_read_again(tmp_path: Path) -> None:
    """What a value says is no template: nothing that stands in a file of parameters is put in twice."""
    write_tree(tmp_path, {"dvc.yaml": b"stages:\n  a: {cmd: 'echo ${a} \\${b}'}\n", "params.yaml": b"a: '${b}'\nb: x\n"})
    (stage,) = read_stages(tmp_path, "dvc.yaml")
    assert stage.commands == ("echo ${b} ${b}",)


def test_what_a_stage_makes_is_no_data_set_of_dvc(project: Project) -> None:
    refuse_made(project.root, "data")
    for path in ("prepared", "prepared/deep", "work"):
        with pytest.raises(DvcUnsupported, match="is made by the stage"):
            refuse_made(project.root, path)


def test_engines_and_models_are_refused_for_stages_by_name(project: Project) -> None:
    with pytest.raises(PipelineMalformed, match="pipeline of DVC"):
        take_request(project.hands, project.spec)
    with (project.root / "shipway.yaml").open("a") as spec:
        spec.write("parameters: {x: 1}\n")
    with pytest.raises(ProjectIncomplete, match="for a pipeline in Python"):
        project.run()
