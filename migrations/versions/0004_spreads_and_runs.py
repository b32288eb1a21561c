"""Each gallery's spread, kept; and the index's changes in runs of numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gallery_spreads",
        sa.Column("signer_key", sa.String(32), nullable=False),
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("vectors_digest", sa.String(32), nullable=False),
        sa.Column("cosine", sa.Double(), nullable=False),
        sa.Column("local", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["generations.id"],
            name="fk_gallery_spreads_generation_id_generations",
        ),
        sa.ForeignKeyConstraint(
            ["signer_key"], ["signers.key"], name="fk_gallery_spreads_signer_key_signers"
        ),
        sa.PrimaryKeyConstraint("signer_key", "generation_id", name="pk_gallery_spreads"),
    )
    op.add_column(
        "index_changes", sa.Column("length", sa.Integer(), nullable=False, server_default="1")
    )


def downgrade() -> None:
    # What one row says of several vectors can't be told to the schema before: the vectors that
    # are there came, and those that went are found missing by whoever compares.
    op.execute("DELETE FROM index_changes")
    op.execute(
        "INSERT INTO index_changes (generation_id, row, kind)"
        " SELECT generation_id, row, 'add' FROM embeddings ORDER BY row"
    )
    op.drop_column("index_changes", "length")
    op.drop_table("gallery_spreads")
