import os

from alembic import context
from sqlalchemy import create_engine, pool

# A transaction for each migration: what is held is rolled back whole, and what went before it stays applied.
with create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
