"""The source that a step's value depends on, so that editing anything else keeps its cached result.

A step's closure is its own function, the module-level statements whose names it uses, transitively, and whole local
modules that these import. Module-level statements that only act (`pl.Config.set_...`, an `if`, a loop) belong to
every step, since they may change what any of them does. Nothing is imported or run here, and what is hashed is text of
the file (`_source_text`), so that another Python under Shipway changes no key.
"""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel.canonical import Json, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.pipeline._imports import local_modules, packages_of, parse_source, read_source
from shipway.pipeline._source_text import source_lines
from shipway.pipeline._types import Pipeline, Step

_BINDING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom,
)  # fmt: skip


def closure_bytes(pipeline: Pipeline, step: Step) -> bytes:
    """Canonical JSON of the source: `{"kind":"closure","version":1,"step","statements","modules"}`.

    statements: the lines that each needed statement stands on, decorators included, in the file's order; modules: whole
    files by path. Comments, blank lines and trailing blanks are gone, all else stays. Raises PipelineMalformed.
    """
    return Closures(pipeline).bytes_of(step)


class Closures:
    """The closures of one file's steps, the file taken apart once: in a run of many steps that is the work."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._statements = pipeline, _statements(pipeline)

    def bytes_of(self, step: Step) -> bytes:
        """As closure_bytes."""
        pipeline, statements = self._pipeline, list(_reached(self._statements, step))
        files = reachable([statement.tree for statement in statements], pipeline.root, pipeline.entry)
        modules: dict[str, Json] = {
            path: "\n".join(source_lines(read_source(pipeline.root, path)).values()) for path in sorted(files)
        }
        texts: list[Json] = [statement.text for statement in statements]
        return canonical_json({"kind": "closure", "version": 1, "step": step.name, "statements": texts, "modules": modules})


def closure(pipeline: Pipeline, step: Step) -> Digest:
    """The digest of closure_bytes."""
    return digest_bytes(closure_bytes(pipeline, step))


def reachable(trees: Iterable[ast.AST], root: Path, path: str) -> set[str]:
    """The local files that these parts of `path` load, and those that they load in turn. Raises PipelineMalformed."""
    waiting = [*packages_of(root, path), *(file for tree in trees for file in local_modules(tree, root, path))]
    found: set[str] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += local_modules(parse_source(read_source(root, file), file), root, file)
    return found


@dataclass(frozen=True, slots=True)
class _Statement:
    """A module-level statement: names that it binds, names of the module that it uses, whether every step has it."""

    tree: ast.stmt
    text: str
    binds: frozenset[str]
    uses: frozenset[str]
    always: bool


def _reached(statements: list[_Statement], step: Step) -> Iterator[_Statement]:
    """The statements that the step depends on, in the file's order."""
    chosen = {place for place, statement in enumerate(statements) if statement.always or step.name in statement.binds}
    waiting = list(chosen)
    while waiting:
        uses = statements[waiting.pop()].uses
        more = {place for place, statement in enumerate(statements) if statement.binds & uses} - chosen
        chosen |= more
        waiting += more
    return (statements[place] for place in sorted(chosen))


def _statements(pipeline: Pipeline) -> list[_Statement]:
    tree, lines = parse_source(pipeline.source, pipeline.entry), source_lines(pipeline.source)
    facts = [(statement, *_names(statement)) for statement in tree.body if not _is_inert(statement)]
    used = frozenset[str]().union(*(uses for _, _, uses in facts))
    return [
        _Statement(
            statement, _text(statement, lines), binds, uses, _acts(statement) or _only_loads(pipeline, statement, binds, used)
        )
        for statement, binds, uses in facts
    ]


def _text(statement: ast.stmt, lines: Mapping[int, str]) -> str:
    """The lines that a statement stands on, and so all of another one that shares a line with it by a `;`."""
    first = min([statement.lineno, *(decorator.lineno for decorator in getattr(statement, "decorator_list", []))])
    last = statement.end_lineno or statement.lineno
    return "\n".join(lines[number] for number in range(first, last + 1) if number in lines)


def _names(statement: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """The module-level names that a statement binds and those it uses; a local variable of the same name is neither."""
    top = symtable.symtable(ast.unparse(_Generators().visit(copy.deepcopy(statement))), "<step>", "exec")
    binds = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    uses = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    for scope in _below(top):
        in_class = scope.get_type() == "class"  # a class body falls back to the module for names it has not bound yet
        uses |= {s.get_name() for s in scope.get_symbols() if s.is_global() or (in_class and s.is_referenced())}
    return frozenset(binds), frozenset(uses)


class _Generators(ast.NodeTransformer):
    """Comprehensions as generators, whose variables are their own in every Python; 3.12 puts a list's into the scope around."""

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators))


def _below(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in scope.get_children():
        yield child
        yield from _below(child)


def _is_inert(statement: ast.stmt) -> bool:
    """A text that stands alone, and what runs only when the file is a script: no step depends on either."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"


def _acts(statement: ast.stmt) -> bool:
    """Whether a statement may change something beyond the names it binds: MODEL["x"] = 1 does, a star import may."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__" or any(alias.name == "*" for alias in statement.names)
    if isinstance(statement, ast.Assign):
        return not all(_is_plain(target) for target in statement.targets)
    if isinstance(statement, ast.AnnAssign):
        return not _is_plain(statement.target)
    if isinstance(statement, ast.If):  # imports for annotations bind names and do nothing else
        return ast.unparse(statement.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    return not isinstance(statement, _BINDING)


def _is_plain(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_plain(part) for part in target.elts)
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and _is_plain(target.value))


def _only_loads(pipeline: Pipeline, statement: ast.stmt, binds: frozenset[str], used: frozenset[str]) -> bool:
    """A local module that is imported for what its loading does: nothing in the file uses its name."""
    if not isinstance(statement, ast.Import | ast.ImportFrom) or binds & used:
        return False
    return any(local_modules(statement, pipeline.root, pipeline.entry))
