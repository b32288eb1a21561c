"""Kept probes, reviews with their verdicts, keys, and answers to be given again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
STATES = ("not-asked", "open", "disputed", "decided")


def upgrade() -> None:
    create_kept_probes()
    create_reviews()
    open_what_was_sent_to_review()
    create_keys()
    create_answers()


def create_kept_probes() -> None:
    """Probes that are kept for people to look at."""
    op.create_table(
        "kept_probes",
        sa.Column("event", COUNTER, autoincrement=False, nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=False),
        sa.Column("image_digest", sa.String(64), nullable=False),
        sa.Column("image_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["event"], ["audit_events.number"], name="fk_kept_probes_event_audit_events"
        ),
        sa.ForeignKeyConstraint(
            ["signer_key"], ["signers.key"], name="fk_kept_probes_signer_key_signers"
        ),
        sa.PrimaryKeyConstraint("event", name="pk_kept_probes"),
    )
    for column in ("signer_key", "image_digest", "kept_at"):
        op.create_index(f"ix_kept_probes_{column}", "kept_probes", [column])


def create_reviews() -> None:
    """Cases, and which events are verdicts on them."""
    op.create_table(
        "reviews",
        sa.Column("event", COUNTER, autoincrement=False, nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["event"], ["audit_events.number"], name="fk_reviews_event_audit_events"
        ),
        sa.ForeignKeyConstraint(
            ["signer_key"], ["signers.key"], name="fk_reviews_signer_key_signers"
        ),
        sa.PrimaryKeyConstraint("event", name="pk_reviews"),
    )
    op.create_index("ix_reviews_signer_key", "reviews", ["signer_key"])
    op.create_index("ix_reviews_state_event", "reviews", ["state", "event"])
    op.create_table(
        "verdicts",
        sa.Column("event", COUNTER, autoincrement=False, nullable=False),
        sa.Column("verification", COUNTER, nullable=False),
        sa.ForeignKeyConstraint(
            ["event"], ["audit_events.number"], name="fk_verdicts_event_audit_events"
        ),
        sa.ForeignKeyConstraint(
            ["verification"], ["reviews.event"], name="fk_verdicts_verification_reviews"
        ),
        sa.PrimaryKeyConstraint("event", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_verification", "verdicts", ["verification"])


def open_what_was_sent_to_review() -> None:
    """Earlier verifications that a person was to look at, unless their signers were erased."""
    op.execute(
        "INSERT INTO reviews (event, signer_key, state) "
        "SELECT number, signer_key, 'open' FROM audit_events "
        "JOIN signers ON signers.key = audit_events.signer_key AND signers.status = 'active' "
        "WHERE kind = 'verified' AND strpos(public, '\"decision\":\"review\"') > 0".replace(
            "strpos", "instr" if op.get_bind().dialect.name == "sqlite" else "strpos"
        )
    )


def create_keys() -> None:
    """Who may ask what; of secrets, a digest alone."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def create_answers() -> None:
    """Answers by the name of their request, and the signers with whom they are removed."""
    op.create_table(
        "answers",
        sa.Column("asker", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("asker", "name", name="pk_answers"),
    )
    op.create_index("ix_answers_answered_at", "answers", ["answered_at"])
    op.create_table(
        "answer_signers",
        sa.Column("asker", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("signer_key", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["asker", "name"],
            ["answers.asker", "answers.name"],
            name="fk_answer_signers_asker_answers",
        ),
        sa.ForeignKeyConstraint(
            ["signer_key"], ["signers.key"], name="fk_answer_signers_signer_key_signers"
        ),
        sa.PrimaryKeyConstraint("asker", "name", "signer_key", name="pk_answer_signers"),
    )
    op.create_index("ix_answer_signers_signer_key", "answer_signers", ["signer_key"])


def downgrade() -> None:
    for table in ("answer_signers", "answers", "api_keys", "verdicts", "reviews", "kept_probes"):
        op.drop_table(table)
