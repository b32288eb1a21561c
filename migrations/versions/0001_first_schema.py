"""The first schema: signers, references, generations, embeddings, thresholds, audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
ONLY_ACTIVE = sa.text("status = 'active'")


def choice(name: str, *choices: str) -> sa.Enum:
    """A closed choice that the database checks."""
    return sa.Enum(*choices, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    create_signers()
    create_generations()
    create_audit_log()
    create_embeddings()


def create_signers() -> None:
    """Signers and their references."""
    op.create_table(
        "signers",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("status", choice("status", "active", "erased"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("erased_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_signers"),
        sa.UniqueConstraint("external_id", name="uq_signers_external_id"),
    )
    op.create_table(
        "references",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=False),
        sa.Column("image_digest", sa.String(64), nullable=False),
        sa.Column("image_bytes", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("enrolled_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["signer_key"], ["signers.key"], name="fk_references_signer_key_signers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_references"),
        sa.UniqueConstraint(
            "signer_key", "image_digest", name="uq_references_signer_key_image_digest"
        ),
    )
    op.create_index("ix_references_image_digest", "references", ["image_digest"])


def create_generations() -> None:
    """Models and their generations, of which one is active."""
    op.create_table(
        "models",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
    )
    op.create_table(
        "generations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(128), nullable=False),
        sa.Column("preprocessing", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("status", choice("status", "building", "active", "retired"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("activated_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_generations_model_id_models"),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_generations_active",
        "generations",
        ["status"],
        unique=True,
        sqlite_where=ONLY_ACTIVE,
        postgresql_where=ONLY_ACTIVE,
    )


def create_audit_log() -> None:
    """Events, their personal parts, and where the log ends: nowhere yet."""
    op.create_table(
        "audit_events",
        sa.Column("number", COUNTER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=True),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("personal_digest", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_signer_key", "audit_events", ["signer_key"])
    op.create_table(
        "audit_personal",
        sa.Column("event", COUNTER, autoincrement=False, nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=True),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event"], ["audit_events.number"], name="fk_audit_personal_event_audit_events"
        ),
        sa.PrimaryKeyConstraint("event", name="pk_audit_personal"),
    )
    op.create_index("ix_audit_personal_signer_key", "audit_personal", ["signer_key"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "hash": "0" * 64}])


def create_embeddings() -> None:
    """What belongs to a generation: embeddings, the changes an index follows, thresholds."""
    op.create_table(
        "embeddings",
        sa.Column("row", COUNTER, nullable=False),
        sa.Column("reference_id", sa.String(32), nullable=False),
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("encoding", choice("encoding", "float32", "float16"), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("local_encoding", choice("local_encoding", "int8", "int8-zlib"), nullable=False),
        sa.Column("local", sa.LargeBinary(), nullable=False),
        sa.Column("local_shape", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["references.id"], name="fk_embeddings_reference_id_references"
        ),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_embeddings_generation_id_generations"
        ),
        sa.PrimaryKeyConstraint("row", name="pk_embeddings"),
        sa.UniqueConstraint(
            "reference_id", "generation_id", name="uq_embeddings_reference_id_generation_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_embeddings_generation_id_row", "embeddings", ["generation_id", "row"])
    op.create_table(
        "index_changes",
        sa.Column("sequence", COUNTER, nullable=False),
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("kind", choice("kind", "add", "remove"), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_index_changes_generation_id_generations"
        ),
        sa.PrimaryKeyConstraint("sequence", name="pk_index_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_index_changes_generation_id_sequence", "index_changes", ["generation_id", "sequence"]
    )
    op.create_table(
        "thresholds",
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("references", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("event", COUNTER, nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_thresholds_generation_id_generations"
        ),
        sa.ForeignKeyConstraint(
            ["event"], ["audit_events.number"], name="fk_thresholds_event_audit_events"
        ),
        sa.PrimaryKeyConstraint("generation_id", "references", name="pk_thresholds"),
    )


def downgrade() -> None:
    for table in (
        "thresholds",
        "index_changes",
        "embeddings",
        "audit_head",
        "audit_personal",
        "audit_events",
        "generations",
        "models",
        "references",
        "signers",
    ):
        op.drop_table(table)
