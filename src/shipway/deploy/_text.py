"""Text of rendered files: YAML and JSON in one form, so that the same project gives the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import yaml

from shipway.deploy._errors import SecretLiteral
from shipway.kernel.canonical import Json

Files = Mapping[str, str]
"""Path below the output folder, with `/`, to the text of the file."""

HEADER = "# Rendered by `shipway render {target}` from shipway.yaml; change that and render again.\n"

# forms that providers give their keys; a literal like that has no business in a file that is committed
_SECRETS = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{20,}|xox[abpr]-[A-Za-z0-9-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|[a-z][a-z0-9+.-]*://[^/\s:@\"']+:[^/\s@\"'{}$]{3,}@"
)


class _Dumper(yaml.SafeDumper):
    """No aliases: what two places share is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def yaml_text(documents: Iterable[Json], *, target: str) -> str:
    """Documents in the order given, keys in theirs, with a header that names the target."""
    parts = [yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True) for item in documents]
    return HEADER.format(target=target) + "---\n".join(parts)


def json_text(value: Json) -> str:
    """Indented JSON, keys in their order, a line feed at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def check_secrets(files: Files) -> Files:
    """The files, unless one holds what looks like a secret. Raises SecretLiteral with path and line, never the text."""
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if _SECRETS.search(line):
                what = f"{path} would hold what looks like a secret"
                mend = "write secret://env/NAME into shipway.yaml, and the secret where the target keeps its own"
                raise SecretLiteral(what, where=f"{path}:{number}", mend=mend)
    return files
