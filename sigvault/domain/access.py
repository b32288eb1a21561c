"""Who may ask what: keys, their roles, and the part of the vault that a key sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sigvault.domain.identifiers import SignerId

SEPARATOR = "/"
"""What stands between a namespace and a signer's identifier."""


class Role(StrEnum):
    """What a key may be used for; a key has one or several."""

    ENROLLER = "enroller"
    """Enrolls references, and sees signers with their references."""

    VERIFIER = "verifier"
    """Verifies and identifies, and sees signers."""

    REVIEWER = "reviewer"
    """Looks at cases with their pictures, and gives verdicts."""

    AUDITOR = "auditor"
    """Reads and checks the audit log, and sees cases and metrics."""

    ADMINISTRATOR = "administrator"
    """Erases signers, and does all that the others may, but for giving verdicts."""


@dataclass(frozen=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: 16 random hex digits.
        name: who acts with it, for the audit log: two keys of one name are the same person.
        roles: what it may be used for.
        namespace: the part of the vault that it sees; all of it if empty.
        created_at: when, UTC.
        created_by: by whom.
        expires_at: from when on it is refused, UTC; None for never.
        revoked_at: since when it is refused for good, UTC; None if it isn't.
    """

    id: str
    name: str
    roles: frozenset[Role]
    namespace: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def prefix(self) -> str:
        """What identifiers in its namespace begin with inside of the vault."""
        return prefix_of(self.namespace)

    def is_valid(self, at: datetime) -> bool:
        """Whether it is neither revoked nor expired at a moment."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its secret, which nobody can be shown again.

    Attributes:
        secret: ``sv_ID_RANDOM``, to be sent as a bearer token.
        key: the key.
    """

    secret: str = field(repr=False)
    key: ApiKey


def prefix_of(namespace: str) -> str:
    """What the identifiers of a namespace begin with inside of the vault; nothing for all."""
    return f"{namespace}{SEPARATOR}" if namespace else ""


def inside(namespace: str, signer: str) -> SignerId:
    """The identifier inside of the vault of what a namespace calls this."""
    return SignerId(prefix_of(namespace) + signer)


def outside(namespace: str, signer: SignerId) -> str:
    """What a namespace calls a signer of its own."""
    return signer.removeprefix(prefix_of(namespace))
