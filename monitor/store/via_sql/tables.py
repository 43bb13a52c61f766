"""The tables, as the newest migration leaves them. All times are ms since the epoch, UTC."""

from __future__ import annotations

import sqlalchemy as sa

REVISIONS = ("0001", "0002", "0003")
"""Every migration, oldest first; the last is the one this version works with."""

VERSION_TABLE = "loopwatch_schema"

metadata = sa.MetaData()

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON(none_as_null=True)


def _of_model() -> sa.Column[str]:
    return sa.Column("model", sa.Text, sa.ForeignKey("models.model", ondelete="CASCADE"), primary_key=True)


lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("plan", sa.Text, nullable=False, server_default=""),
    sa.Column("links", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("head", sa.Text, nullable=False, server_default="0" * 64),
)

steps = sa.Table(
    "steps",
    metadata,
    _of_model(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("committed_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("observed", _json, nullable=False),
    sa.Column("commands", _json, nullable=False),
)

offsets = sa.Table(
    "offsets",
    metadata,
    _of_model(),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)

chunks = sa.Table(
    "chunks",
    metadata,
    _of_model(),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

pages = sa.Table(
    "pages",
    metadata,
    _of_model(),
    sa.Column("room", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", _row_id, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("watch", sa.Text, nullable=False),
    sa.Column("detector", sa.Text, nullable=False),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("window_start", sa.BigInteger, nullable=False),
    sa.Column("window_end", sa.BigInteger, nullable=False, index=True),
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
    sa.Index("ix_findings_newest", "model", "watch", "window_end", "id"),
    sa.Index("ix_findings_step", "model", "step", "id"),
)

alerts = sa.Table(
    "alerts",
    metadata,
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
    sa.Index("ix_alerts_model", "model", "phase"),
)

outbox = sa.Table(
    "outbox",
    metadata,
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
    sa.Index("ix_outbox_state", "state", "id"),
    sa.Index("ix_outbox_order", "alert", "destination", "id"),
    sqlite_autoincrement=True,
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
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
    sa.Column("committed_at", sa.BigInteger, nullable=False, index=True),
    sa.Index("ix_dead_letters_model", "model", "id"),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("number", _row_id, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("arguments", _json, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("asked_at", sa.BigInteger, nullable=False),
    sa.Column("taken_in_step", sa.BigInteger),
    sa.Index("ix_commands_model", "model", "taken_in_step"),
    sqlite_autoincrement=True,
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

audit_details = sa.Table(
    "audit_details",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("detail", sa.Text, nullable=False),
)

purges = sa.Table(
    "purges",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("before", sa.BigInteger, nullable=False),
)

references = sa.Table(
    "watch_references",
    metadata,
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
