from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("archive")
    op.drop_table("orders")
