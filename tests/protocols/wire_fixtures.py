"""One predictor process for all tests that only ask; those that kill or fill start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from wire_help import NUMBER_INPUTS, TEXT_INPUTS, Running, Served, make_served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return make_served(tmp_path_factory.mktemp("text"), TEXT_INPUTS)


@pytest.fixture(scope="session")
def running(served: Served) -> Iterator[Running]:
    with serving(served.config()) as process:
        yield process


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A model of 20 numbers, one of them an integer."""
    return make_served(tmp_path_factory.mktemp("numbers"), NUMBER_INPUTS)


@pytest.fixture(scope="session")
def running_numbers(numbers: Served) -> Iterator[Running]:
    with serving(numbers.config()) as process:
        yield process
