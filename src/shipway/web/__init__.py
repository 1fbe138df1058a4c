"""The pages and the versioned JSON API (`/api/v1`): a query, a view model, a template.

Reads the catalogue and translates; moves nothing and writes nothing but outcomes, through the function that it is given.
"""

from shipway.web._app import make_app
from shipway.web._metrics import METRICS

__all__ = ["METRICS", "make_app"]
