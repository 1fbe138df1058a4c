"""Data that stay where they are: what is there is recorded, and bytes come here when somebody needs them.

Nothing here writes to where the data are. A library is imported when an address asks for it, Polars for rows alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.data.in_place._bring import Fetched, bring_files, lasting_files
from shipway.data.in_place._copy import copy_files
from shipway.data.in_place._source import Address, Source, open_source, parse_place
from shipway.data.in_place._take import take_in_place
from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.data.in_place._read import check_in_place, lasting_places, scan_options

_HOME = {"_read": ["check_in_place", "lasting_places", "scan_options"]}

__all__ = [
    "Address",
    "Fetched",
    "Source",
    "bring_files",
    "check_in_place",
    "copy_files",
    "lasting_files",
    "lasting_places",
    "open_source",
    "parse_place",
    "scan_options",
    "take_in_place",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
