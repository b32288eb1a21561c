"""Keys, without their secrets: only a digest of each is stored."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.domain.access import ApiKey, Role
from sigvault.storage.tables import ApiKeyRow


def add_key(session: Session, key: ApiKey, secret_digest: str) -> None:
    """Add a key under its identifier, which must be free."""
    row = ApiKeyRow(
        id=key.id,
        name=key.name,
        roles=sorted(role.value for role in key.roles),
        namespace=key.namespace,
        secret_digest=secret_digest,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
    session.add(row)
    session.flush()


def find_key(session: Session, key: str) -> tuple[ApiKey, str] | None:
    """The key of this identifier and the digest of its secret, or None."""
    row = session.get(ApiKeyRow, key)
    return None if row is None else (_key(row), row.secret_digest)


def list_keys(session: Session) -> list[ApiKey]:
    """All keys, oldest first, with those that are refused."""
    rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))
    return [_key(row) for row in rows]


def mark_revoked(session: Session, key: str, at: datetime) -> None:
    """Refuse a key from now on."""
    row = session.get_one(ApiKeyRow, key)
    row.revoked_at = at
    session.flush()


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        namespace=row.namespace,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
