"""Local features may be stored as their inked cells alone."""

from __future__ import annotations

import zlib
from math import ceil, prod

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BEFORE = "'int8', 'int8-zlib'"
AFTER = "'int8', 'int8-zlib', 'int8-inked'"
CONSTRAINT = "ck_embeddings_local_encoding"

AT_A_TIME = 1000
"""Rows that are in memory at the same time."""

EMBEDDINGS = sa.table(
    "embeddings",
    sa.column("row", sa.BigInteger()),
    sa.column("local_encoding", sa.String()),
    sa.column("local", sa.LargeBinary()),
    sa.column("local_shape", sa.JSON()),
)


def upgrade() -> None:
    allow(BEFORE, AFTER)


def downgrade() -> None:
    connection = op.get_bind()
    inked = sa.select(EMBEDDINGS).where(EMBEDDINGS.c.local_encoding == "int8-inked")
    change = EMBEDDINGS.update().where(EMBEDDINGS.c.row == sa.bindparam("at"))
    change = change.values(local_encoding="int8-zlib", local=sa.bindparam("packed"))
    while some := connection.execute(inked.limit(AT_A_TIME)).all():  # those that are left
        packed = [
            {"at": row.row, "packed": zlib.compress(filled(row.local, row.local_shape), level=1)}
            for row in some
        ]
        connection.execute(change, packed)
    allow(AFTER, BEFORE)


def allow(before: str, after: str) -> None:
    """Change which encodings the database takes, without writing a million rows anew."""
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(op.f(CONSTRAINT), "embeddings", type_="check")
        op.create_check_constraint(op.f(CONSTRAINT), "embeddings", f"local_encoding IN ({after})")
        return
    # SQLite's own way for constraints that say nothing of how rows are stored
    # (https://sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").
    connection = op.get_bind()
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    try:
        changed = connection.execute(
            sa.text(
                "UPDATE sqlite_master SET sql = replace(sql, :before, :after)"
                " WHERE type = 'table' AND name = 'embeddings' AND instr(sql, :before) > 0"
            ),
            {"before": f"local_encoding IN ({before})", "after": f"local_encoding IN ({after})"},
        )
        connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    finally:
        connection.execute(sa.text("PRAGMA writable_schema = OFF"))
    if changed.rowcount != 1:
        raise RuntimeError("the table of embeddings isn't as the migrations before made it")


def filled(inked: bytes, shape: list[int]) -> bytes:
    """All cells, those without ink as zeros, from the inked ones alone."""
    cells, channels = prod(shape[:-1]), shape[-1]
    end = ceil(cells / 8)
    grid = bytearray(cells * channels)
    at = end
    for cell in range(cells):
        if inked[cell // 8] >> (7 - cell % 8) & 1:
            grid[cell * channels : (cell + 1) * channels] = inked[at : at + channels]
            at += channels
    return bytes(grid)
