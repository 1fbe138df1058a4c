"""What the names of a file mean: the dotted name behind an alias, and the file of a local module. Syntax only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from shipway.pipeline._types import PipelineMalformed


def parse_source(source: str, name: str) -> ast.Module:
    """The syntax of a file; `name` is its path in messages. Raises PipelineMalformed."""
    try:
        return ast.parse(source, filename=name)
    except (SyntaxError, ValueError) as problem:
        line = getattr(problem, "lineno", None)
        raise PipelineMalformed(
            f"{name} is not Python: {getattr(problem, 'msg', problem)}", where=f"{name}:{line}" if line else name
        ) from problem


def read_source(root: Path, path: str) -> str:
    """The text of a file below root. Raises PipelineMalformed when there is none or it is no UTF-8."""
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise PipelineMalformed(
            f"cannot read {path}: {reason}",
            where=str(root / path),
            mend="name the file of the steps in shipway.yaml, as in pipeline: steps.py",
        ) from problem


def import_table(module: ast.Module) -> dict[str, str]:
    """The dotted name behind each name that the file imports, wherever in the file the import stands.

    >>> import_table(ast.parse("import polars as pl\\nfrom sklearn.pipeline import Pipeline\\nimport a.b"))
    {'pl': 'polars', 'Pipeline': 'sklearn.pipeline.Pipeline', 'a': 'a'}
    """
    table: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                table[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                table[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    return table


def dotted(node: ast.expr, table: Mapping[str, str]) -> str | None:
    """The full dotted name of `a.b.c`, its first part looked up in the import table; None for other expressions."""
    if isinstance(node, ast.Attribute):
        below = dotted(node.value, table)
        return f"{below}.{node.attr}" if below else None
    return table.get(node.id, node.id) if isinstance(node, ast.Name) else None


def local_modules(tree: ast.AST, root: Path, path: str) -> Iterator[str]:
    """The files below root that the imports in `tree` load, parent packages too; `path` is the file it is part of."""
    package = PurePosixPath(path).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(root, PurePosixPath(*alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            base = _base(package, node)
            yield from _files_of(root, base)
            for alias in node.names:
                yield from _files_of(root, base / alias.name)


def packages_of(root: Path, path: str) -> Iterator[str]:
    """The `__init__.py` of each package that a file is in: Python runs them before it."""
    for parent in PurePosixPath(path).parents:
        file = str(parent / "__init__.py")
        if parent.parts and (root / file).is_file():
            yield file


def _base(package: PurePosixPath, node: ast.ImportFrom) -> PurePosixPath:
    """The folder or module that `from ... import` looks in; a relative one climbs from the package of the file."""
    for _ in range(node.level - 1):
        package = package.parent
    start = package if node.level else PurePosixPath()
    return start.joinpath(*(node.module or "").split(".")) if node.module else start


def _files_of(root: Path, module: PurePosixPath) -> Iterator[str]:
    """The file of a module and the `__init__.py` of each package on the way to it, as far as they exist."""
    for depth in range(1, len(module.parts) + 1):
        part = PurePosixPath(*module.parts[:depth])
        for file in (part.with_name(part.name + ".py"), part / "__init__.py"):
            if (root / file).is_file():
                yield str(file)
