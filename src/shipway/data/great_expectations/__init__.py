"""Suites of Great Expectations: read in both their forms, judged by the engine of our own contracts, answered in their JSON.

What we cannot judge with exactly its meaning is refused by name: `--engine gx` then runs the suite in the user's own
installation. Never imports Great Expectations or pandas here.
"""

from shipway.data.great_expectations._engine import run_suite
from shipway.data.great_expectations._form import Form, ResultFormat, parse_form, read_form
from shipway.data.great_expectations._suite import Expectation, Suite, parse_suite
from shipway.data.great_expectations._validate import COMPILERS, measure_suite
from shipway.data.great_expectations._words import about, finding

EXPECTATIONS = tuple(sorted(COMPILERS))
"""The names of all that is judged here."""

__all__ = [
    "EXPECTATIONS",
    "Expectation",
    "Form",
    "ResultFormat",
    "Suite",
    "about",
    "finding",
    "measure_suite",
    "parse_form",
    "parse_suite",
    "read_form",
    "run_suite",
]
