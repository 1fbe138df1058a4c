"""Values on their way between the store and the child that runs steps: files in, a leaf or a folder's tree out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from shipway.data import snapshot_files
from shipway.environment import Codec, StepFile, StepInput, StepResult
from shipway.kernel import media
from shipway.kernel.canonical import Json, canonical_json
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import ModelUnknown, ModelUntrusted, pack_program
from shipway.pipeline._code import checkout_tree
from shipway.pipeline._codecs import TABLES
from shipway.store import TREE, ObjectDamaged, Store

_FOLDER = "inode/directory"  # the runner's media type of a folder
_EXTENSIONS = {
    media.PARQUET: ".parquet", media.NPY: ".npy", media.SKOPS: ".skops", media.ONNX: ".onnx", media.JSON: ".json",
    media.PROGRAM: ".pt2", media.SAFETENSORS: ".safetensors",
}  # fmt: skip
_TABLE_FILES = (".parquet", ".pq", ".arrow", ".feather", ".csv", ".jsonl", ".ndjson")  # as data.load_table has them
_MEDIA = {extension: media_type for media_type, extension in _EXTENSIONS.items()}


def keep_value(store: Store, result: StepResult) -> Descriptor:
    """Puts what a step has written: a file as a leaf, a folder as a hash tree. Raises StoreFull, FileUnreadable."""
    if result.media_type == _FOLDER:
        return store.put_tree(result.file)[0]
    guess = _MEDIA.get(result.file.suffix, media.BYTES) if result.media_type == media.BYTES else result.media_type
    if guess == media.PROGRAM:
        with suppress(ModelUnknown, ModelUntrusted):  # said when a model is made of it; a class may read it all the same
            return store.put_bytes(pack_program(result.file.read_bytes()), guess)
    return store.put_file(result.file, guess)


def step_input(store: Store, step: str, output: Descriptor, *, codec: Codec, work: Path) -> StepInput:
    """The value of another step for an argument, verified. Raises ObjectMissing, ObjectDamaged."""
    if output.media_type == TREE:
        folder = work / output.digest.removeprefix("sha256:")
        checkout_tree(store, output.digest, folder)
        return StepInput(codec, [StepFile(folder, step)])
    try:
        path = store.objects.verify(output.digest)
    except ObjectDamaged as problem:
        raise ObjectDamaged(
            f"the value of step {step} is damaged",
            where=problem.where,
            mend="run again: the step makes it anew",
        ) from problem
    file = StepFile(path, step + _EXTENSIONS.get(output.media_type, ""))
    return StepInput(codec, [_link(file, work) if codec == "path" else file])


def data_input(store: Store, name: str, snapshot: Digest, *, codec: Codec, work: Path) -> StepInput:
    """The files of a data set in the order of their paths; as a Path, the folder that holds them (even one).

    They are as `verify_snapshot` has found them, which is for the caller to ask once a run.
    """
    files = [StepFile(store.objects.path(file.digest), file.path) for file in snapshot_files(store, snapshot)]
    if codec in TABLES:
        files = [file for file in files if _is_table(file.name)] or files
    if codec != "path":
        return StepInput(codec, files)
    for file in files:
        _link(file, work)
    return StepInput(codec, [StepFile(work, name)])


def parameter_input(value: Json, *, codec: Codec, work: Path) -> StepInput:
    """A parameter as the file that the child reads."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "parameter.json"
    path.write_bytes(canonical_json(value))
    return StepInput(codec, [StepFile(path, path.name)])


def _is_table(name: str) -> bool:
    """Whether a file is meant as a table; a README beside the tables is none. What the runner cannot read it refuses."""
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith(_TABLE_FILES)


def _link(file: StepFile, work: Path) -> StepFile:
    """A link to an object of the store, by the name that the object has not."""
    link = work / file.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(file.path.absolute())
    return StepFile(link, link.name)
