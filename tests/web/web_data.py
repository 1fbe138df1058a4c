"""A project with two snapshots of a table: one stands, the other waits for an approval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from web_plans import Planned
from web_project import HOSTILE

from shipway.data import take_snapshot
from shipway.gate import POLICY_REF, MoveRefused, policy_object
from shipway.kernel.digest import Digest
from shipway.spec import ColumnRule, ContractSpec, PolicyRule

ROWS = pl.DataFrame({"id": range(3000)}).with_columns(
    delay=pl.Series(np.random.default_rng(7).normal(5, 20, 3000)).round(2),
    carrier=pl.col("id").map_elements(lambda place: ["UA", "AA", "DL"][place % 3], pl.String),
    day=pl.date_range(pl.date(2013, 1, 1), pl.date(2013, 1, 30), eager=True).gather(pl.int_range(3000) // 100),
)  # fmt: skip


class Reviewed(Planned):
    """As Planned; data/trips asks for an approval, and its contract names `id`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        contract = ContractSpec(unique=(("id",),), columns={"delay": ColumnRule(name="delay", between=(-200, 150))})
        rule = PolicyRule(ref="data/*", approvals=1)
        first = self.snapshot("first", {"2013/a.parquet": ROWS.head(1500), "2014/b.parquet": ROWS.tail(1500)})
        self.move("data/trips", first)
        self.move(POLICY_REF, self.store.put(policy_object(self.store, {"data/*": rule}, {"trips": contract})))
        self.current = first

    def snapshot(self, name: str, tables: dict[str, pl.DataFrame]) -> Digest:
        for path, table in tables.items():
            place = self.folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            table.write_parquet(place)
        return take_snapshot(self.store, self.folder / name).digest

    def wait(self) -> Digest:
        """A snapshot with late flights, a new carrier with a hostile name, a day that is missing, and another column."""
        late = ROWS.tail(1500).with_columns(delay=pl.col("delay") + 150, carrier=pl.col("carrier").replace("DL", HOSTILE))
        late = late.filter(pl.col("day") != pl.date(2013, 1, 20))
        tables = {"2013/a.parquet": ROWS.head(1500), "2014/b.parquet": late}
        waits = self.snapshot("second", {name: rows.with_columns(gate=pl.lit("B7")) for name, rows in tables.items()})
        try:
            self.move("data/trips", waits, "of today")
        except MoveRefused:
            return waits
        raise AssertionError("nothing approved it")
