"""Alembic's entry: runs on the connection that the store hands over, in one transaction a migration."""

from alembic import context

from shipway.store._tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
