"""Images of erased signers, noted in the transaction that erases them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orphaned_images",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_orphaned_images"),
    )


def downgrade() -> None:
    op.drop_table("orphaned_images")
