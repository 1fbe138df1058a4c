"""Compilers: a project as the files of other machines. Pure: `{path: text}` out, no disk, no clock, no network.

What runs there is one image, pinned by digest, with one fixed command; no code, parameter or secret stands in a rendered
file. What a target has no words for is refused here, by the name of the step or deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.deploy._argo import argo_template_name
    from shipway.deploy._errors import CannotExpress, NamesCollide, NothingToRender, RenderedDiffers, SecretLiteral
    from shipway.deploy._stepfunctions import state_machine_name
    from shipway.deploy._subject import CATALOGUE, UNPINNED, Beside, Service, Subject, Task, Workload, make_subject
    from shipway.deploy._targets import TARGETS, render_target
    from shipway.deploy._text import Files

_HOME = {
    "_argo": ["argo_template_name"],
    "_errors": ["CannotExpress", "NamesCollide", "NothingToRender", "RenderedDiffers", "SecretLiteral"],
    "_stepfunctions": ["state_machine_name"],
    "_subject": ["CATALOGUE", "UNPINNED", "Beside", "Service", "Subject", "Task", "Workload", "make_subject"],
    "_targets": ["TARGETS", "render_target"],
    "_text": ["Files"],
}

__all__ = [
    "CATALOGUE",
    "TARGETS",
    "UNPINNED",
    "Beside",
    "CannotExpress",
    "Files",
    "NamesCollide",
    "NothingToRender",
    "RenderedDiffers",
    "SecretLiteral",
    "Service",
    "Subject",
    "Task",
    "Workload",
    "argo_template_name",
    "make_subject",
    "render_target",
    "state_machine_name",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
