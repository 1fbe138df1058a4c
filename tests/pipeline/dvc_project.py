"""A repository whose dvc.yaml uses what stages can say; commands are of the shell alone, so that every machine has them."""

from __future__ import annotations

from pathlib import Path

DVC_YAML = """\
vars:
- more.yaml:depth,words
- names: [north, south]
  model: {lr: 0.5, layers: [8, 4], fast: true, name: "two words"}
stages:
  prepare:
    desc: lines of the data
    cmd: mkdir -p prepared/deep && sort data/a.csv > prepared/a.csv && cp "data/b ü.csv" prepared/deep/ &&
      cat src/count.sh > prepared/code
    deps:
    - data
    - src/count.sh
    outs:
    - prepared
  split:
    foreach: ${names}
    do:
      cmd: sh src/count.sh prepared/a.csv ${item} > split-${item}.txt
      deps: [src/count.sh, prepared/a.csv]
      params: [train.lr, train.epochs]
      outs:
      - split-${item}.txt
  grid:
    matrix:
      size: [1, 2]
      kind: ${words}
    cmd:
    - echo ${item.size} ${item.kind} > grid-${key}.txt
    - echo '\\${HOME} costs nothing' >> grid-${key}.txt
    outs: ["grid-${key}.txt"]
  train:
    wdir: work
    cmd: >-
      cat ../split-north.txt ../split-south.txt params.json > model.bin;
      echo ${model.lr} ${model.fast} ${model.layers[0]} "${model}" > args.txt;
      echo '{"acc": 0.5}' > metrics.json; printf 'step,loss\\n1,0.25\\n' > loss.csv;
      mkdir nothing; cp ../tools/run.sh run.sh; chmod +x run.sh
    deps: [../split-north.txt, ../split-south.txt, ../tools/run.sh]
    params:
    - params.json:
    - conf.toml: [a.b]
    - rate
    outs: [model.bin, args.txt, run.sh, nothing]
    metrics:
    - metrics.json: {cache: false}
    plots:
    - loss.csv: {cache: false, x: step, y: loss}
"""
FILES = {
    "dvc.yaml": DVC_YAML.encode(),
    "data/a.csv": b"2\r\n1\r\n",
    "data/b \u00fc.csv": b"x\n",
    "data/empty": b"",
    "src/count.sh": b"wc -l < $1\necho $2\n",
    "tools/run.sh": b"#!/bin/sh\n",
    "params.yaml": b"# ours\ntrain:\n  lr: 1.0\n  epochs: 1_0\n  seed: 'no'\n",
    "more.yaml": b"depth: 3\nwords: [a, yes]\nrest: 1\n",
    "work/params.json": b'{"z": 1e-05, "a": [1, "x", null, {"k": true}], "text": "12:30"}',
    "work/conf.toml": b"[a]\nb = 2.0\n",
    "work/params.yaml": b"rate: 0.1\n",
    "shipway.yaml": b"project: p\npipeline: dvc.yaml\ndata:\n  rows: data\n",
}


def write_project(root: Path) -> None:
    for name, data in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "tools/run.sh").chmod(0o755)
