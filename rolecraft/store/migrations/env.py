"""Runs the migrations on the connection that `rolecraft.store.migrate` passes in.

Knows no address and no credentials, so the `alembic` command is of no use here.
"""

from alembic import context

from rolecraft.store.rated_schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    context.run_migrations()
