"""Brings a catalogue to the newest revision. Imports Alembic, so it is called only when there is something to do."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def migrate(engine: Engine, objects: Path) -> None:
    """Run what is missing and record it, in one transaction; a second caller waits, then has nothing to do.

    objects: the folder of the objects; a migration may read what older rows name.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "_migrations"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes |= {"connection": connection, "objects": objects}
        command.upgrade(config, "head")
        connection.commit()
