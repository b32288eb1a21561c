"""The vault's own id, and how far what was erased is gone from the disk, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ERASING = ("signer-erased", "generation-dropped", "probes-forgotten")
"""The events that take something away for good."""


def upgrade() -> None:
    state = op.create_table(
        "vault_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vault_id", sa.String(32), nullable=True),
        sa.Column("erased_through", sa.BigInteger(), nullable=False),
        sa.Column("log_clean_through", sa.BigInteger(), nullable=False),
        sa.Column("rewritten_through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vault_state"),
    )
    events = sa.table("audit_events", sa.column("number"), sa.column("kind"))
    erased = sa.select(sa.func.max(events.c.number)).where(events.c.kind.in_(ERASING))
    row = {
        "id": 1,
        "vault_id": None,  # the next opening gives it one
        "erased_through": op.get_bind().scalar(erased) or 0,
        "log_clean_through": 0,
        "rewritten_through": 0,
    }
    op.bulk_insert(state, [row])


def downgrade() -> None:
    op.drop_table("vault_state")
