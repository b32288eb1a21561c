"""A namespace is a prefix of signers' identifiers."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func

from sigvault.storage.tables import SignerRow


def begins_with(prefix: str) -> ColumnElement[bool]:
    """That a signer's identifier begins with this; LIKE would not tell cases apart on SQLite."""
    return func.substr(SignerRow.external_id, 1, len(prefix)) == prefix
