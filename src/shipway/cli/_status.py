"""`data status` without its parser: what the command and the quick way to it share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli._data import chosen_data
from shipway.cli._output import Output
from shipway.cli._settings import Project, Settings
from shipway.kernel.collector import uncollected

if TYPE_CHECKING:
    from shipway.data import Status
    from shipway.pipeline import Changed
    from shipway.spec import DataOutline


@uncollected()
def tell_status(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> bool:
    """Whether anything differs."""
    project, out = Project(settings), Output(as_json)
    rows, differs = [], False
    for data in chosen_data(project.outline, names):
        found = _measured(project, data)
        counts = {"added": found.added, "removed": found.removed, "changed": found.changed}
        differs |= any(counts.values())
        words = ", ".join(f"{len(paths)} {word}" for word, paths in counts.items() if paths) or "as in its snapshot"
        out.say(f"data/{data.name:<12} {words}")
        for word, paths in counts.items():
            for path in paths[:10]:
                out.say(f"  {word:<8} {path}")
        rows.append({"name": data.name, "unchanged": found.unchanged, **{k: list(v) for k, v in counts.items()}})
    out.end("data-status", {"data": rows}, then="shipway data snapshot" if differs else "shipway run")
    return differs


def _measured(project: Project, data: DataOutline) -> Status | Changed:
    if not data.plain:
        from shipway.pipeline import measure_changed  # a tenth of a second of imports that files need not wait for

        return measure_changed(project.hands, project.spec, project.spec.data[data.name])
    from shipway.data import measure_status

    ref = project.store.ref(f"data/{data.name}")
    return measure_status(project.store, ref.digest if ref else None, project.outline.root / data.path)
