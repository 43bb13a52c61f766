"""The audit chain, and what retention has forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_GENESIS = "0" * 64


def upgrade() -> None:
    """From the first tables. Findings stored before have no link: the chain begins with the next step."""
    op.add_column("models", sa.Column("plan", sa.Text, nullable=False, server_default=""))
    op.add_column("models", sa.Column("links", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("models", sa.Column("head", sa.Text, nullable=False, server_default=_GENESIS))
    op.create_table(
        "audit",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_details",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "purges",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("before", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_findings_step", "findings", ["model", "step", "id"])
