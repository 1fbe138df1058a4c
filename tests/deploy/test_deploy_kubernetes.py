"""Plain Kubernetes."""

from __future__ import annotations

import pytest
from deploy_subjects import Golden

from shipway.deploy import NothingToRender, Subject, render_target

pytest_plugins = ["deploy_fixtures"]


def test_the_predictor_of_flights_is_as_a_person_reviewed_it(flights: Subject, golden: Golden) -> None:
    golden("kubernetes-flights", render_target("kubernetes", flights))


def test_without_a_release_there_is_nothing_to_render(flights: Subject) -> None:
    from dataclasses import replace

    with pytest.raises(NothingToRender, match="released nothing"):
        render_target("kubernetes", replace(flights, services=()))
