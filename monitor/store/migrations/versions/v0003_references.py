"""References of watches, learned from history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From the tables with an audit chain."""
    op.create_table(
        "watch_references",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("watch", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("learned_as", sa.Text, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("history_start", sa.BigInteger, nullable=False),
        sa.Column("history_end", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("built_at", sa.BigInteger, nullable=False),
        sa.Column("built_by", sa.Text, nullable=False),
        sa.Column("adopted_at", sa.BigInteger),
        sa.Column("adopted_by", sa.Text, nullable=False),
    )
