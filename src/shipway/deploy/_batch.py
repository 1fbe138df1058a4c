"""Steps that want a GPU, which Fargate has not: jobs of AWS Batch, by the same names in the modules and in the machine."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.deploy._names import label_names
from shipway.deploy._units import Unit


def gpus_of(unit: Unit) -> int:
    """As many as the step of it with the most."""
    return max(task.options.gpu for task in unit.tasks)


def job_names(units: Sequence[Unit], *, target: str) -> dict[str, str]:
    """Of each unit with a GPU, its job as AWS takes it. Raises NamesCollide, CannotExpress."""
    return label_names([unit.name for unit in units if gpus_of(unit)], target=target, what="step")


def blank_of(job: str) -> str:
    """What stands for a job in a machine, to be filled in by Terraform.

    >>> blank_of("fit-model")
    '${job_fit_model}'
    """
    return f"${{job_{job.replace('-', '_')}}}"
