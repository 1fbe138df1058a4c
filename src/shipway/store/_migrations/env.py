"""Alembic's entry: runs on the connection that the store hands over.

All that is missing runs in one transaction: between two, a second process could come in and run the rest itself.
"""

from alembic import context
from sqlalchemy import text

from shipway.store._tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":  # SQLite's transactions begin with the one lock that there is
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('shipway catalogue', 0))"))
    context.run_migrations()
