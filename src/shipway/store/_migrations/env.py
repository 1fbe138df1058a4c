"""Alembic's entry: runs on the connection that the store hands over.

All that is missing runs in one transaction: between two, a second process could come in and run the rest itself.
"""

from alembic import context

from shipway.store._tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
