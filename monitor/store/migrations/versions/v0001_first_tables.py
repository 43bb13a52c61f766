"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON(none_as_null=True)


def _of_model() -> sa.Column[str]:
    return sa.Column("model", sa.Text, sa.ForeignKey("models.model", ondelete="CASCADE"), primary_key=True)


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "models",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "steps",
        _of_model(),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("committed_at", sa.BigInteger, nullable=False),
        sa.Column("observed", _json, nullable=False),
        sa.Column("commands", _json, nullable=False),
    )
    op.create_index("ix_steps_committed_at", "steps", ["committed_at"])
    op.create_table(
        "offsets",
        _of_model(),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition_number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "chunks",
        _of_model(),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "pages",
        _of_model(),
        sa.Column("room", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "findings",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("watch", sa.Text, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("incarnation", sa.Text, nullable=False),
        sa.Column("window_start", sa.BigInteger, nullable=False),
        sa.Column("window_end", sa.BigInteger, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("crossing", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("effect", sa.Double),
        sa.Column("low", sa.Double),
        sa.Column("high", sa.Double),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("margin", sa.Double),
        sa.Column("log10_e", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("spend", sa.Double),
        sa.Column("change_at", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("finding", _json, nullable=False),
        sa.UniqueConstraint(
            "model", "watch", "incarnation", "window_start", "window_end", name="uq_findings_watch_and_window"
        ),
    )
    op.create_index("ix_findings_newest", "findings", ["model", "watch", "window_end", "id"])
    op.create_index("ix_findings_window_end", "findings", ["window_end"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("watch", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("frozen", sa.Text, nullable=False),
        sa.Column("acknowledged_by", sa.Text, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("alert", _json, nullable=False),
    )
    op.create_index("ix_alerts_model", "alerts", ["model", "phase"])
    op.create_table(
        "outbox",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("alert", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("repeated", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, comment="empty: at once"),
        sa.Column("begun_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False, comment="of the last attempt that failed"),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("notification", _json, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "id"])
    op.create_index("ix_outbox_order", "outbox", ["alert", "destination", "id"])
    op.create_table(
        "dead_letters",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition_number", sa.Integer, nullable=False),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("record_time", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("committed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_dead_letters_model", "dead_letters", ["model", "id"])
    op.create_index("ix_dead_letters_committed_at", "dead_letters", ["committed_at"])
    op.create_table(
        "commands",
        sa.Column("number", _row_id, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("arguments", _json, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("taken_in_step", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commands_model", "commands", ["model", "taken_in_step"])
    op.execute("INSERT INTO lease (name, owner, fence, expires_at) VALUES ('writer', '', 0, 0)")
