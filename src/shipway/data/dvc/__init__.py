"""DVC, both ways: its `.dvc` files, lists of folders, cache and remotes, read as DVC 2 and 3 have them, written as 3.

Nothing of DVC is imported or run. What it calls by an MD5 is a snapshot here; the MD5 is kept beside and never in a digest.
"""

from shipway.data.dvc._errors import DvcDamaged, DvcMalformed, DvcMissing, DvcUnsupported
from shipway.data.dvc._export import (
    Exported,
    describe_files,
    describe_snapshot,
    export_files,
    ignore,
    md5_of,
    replace_text,
    write_dvc_file,
)
from shipway.data.dvc._files import DvcOut, hash_fields, parse_dvc_file, parse_out, render_dvc_file, update_dvc_file
from shipway.data.dvc._import import Imported, import_out
from shipway.data.dvc._manifest import Listed, parse_manifest, render_manifest
from shipway.data.dvc._paths import below
from shipway.data.dvc._repo import DvcRepo, make_dvc, open_dvc, read_text
from shipway.data.dvc._yaml import Date, as_group, as_sequence, fail, plain, read_yaml, render_yaml

__all__ = [
    "Date",
    "DvcDamaged",
    "DvcMalformed",
    "DvcMissing",
    "DvcOut",
    "DvcRepo",
    "DvcUnsupported",
    "Exported",
    "Imported",
    "Listed",
    "as_group",
    "as_sequence",
    "below",
    "describe_files",
    "describe_snapshot",
    "export_files",
    "fail",
    "hash_fields",
    "ignore",
    "import_out",
    "make_dvc",
    "md5_of",
    "open_dvc",
    "parse_dvc_file",
    "parse_manifest",
    "parse_out",
    "plain",
    "read_text",
    "read_yaml",
    "render_dvc_file",
    "render_manifest",
    "render_yaml",
    "replace_text",
    "update_dvc_file",
    "write_dvc_file",
]
