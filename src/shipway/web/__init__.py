"""The pages and the versioned JSON API (`/api/v1`): a query, a view model, a template.

Reads the catalogue and translates; moves nothing and writes nothing but outcomes and ratings, through functions that it is
given.
"""

from shipway.web._app import make_app
from shipway.web._metrics import METRICS
from shipway.web._reviews import RateReview

__all__ = ["METRICS", "RateReview", "make_app"]
