"""Who looks at the pages, and what each role may do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sigvault.domain.access import ApiKey, Role, inside, outside, prefix_of
from sigvault.domain.identifiers import SignerId

LOCAL = "local"
"""Who acts where the vault has no keys and the pages are used on its own computer."""


class Right(StrEnum):
    """What a page, or a form on it, takes."""

    SEE_SIGNERS = "look at signers"
    ENROLL = "enroll"
    VERIFY = "verify and identify"
    SEE_CASES = "look at cases"
    DECIDE = "give verdicts"
    ERASE = "erase signers and references"
    SEE_AUDIT = "read the audit log"
    SEE_THRESHOLDS = "look at thresholds and generations"
    CHANGE_GENERATIONS = "change generations"


ROLES: Mapping[Right, frozenset[Role]] = {
    Right.SEE_SIGNERS: frozenset({Role.ENROLLER, Role.VERIFIER, Role.REVIEWER, Role.ADMINISTRATOR}),
    Right.ENROLL: frozenset({Role.ENROLLER, Role.ADMINISTRATOR}),
    Right.VERIFY: frozenset({Role.VERIFIER, Role.ADMINISTRATOR}),
    Right.SEE_CASES: frozenset({Role.REVIEWER, Role.ADMINISTRATOR}),
    Right.DECIDE: frozenset({Role.REVIEWER}),
    Right.ERASE: frozenset({Role.ADMINISTRATOR}),
    Right.SEE_AUDIT: frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    Right.SEE_THRESHOLDS: frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    Right.CHANGE_GENERATIONS: frozenset({Role.ADMINISTRATOR}),
}
"""The roles that have each right, as the keys' roles are described."""

WHOLE_VAULT = frozenset({Right.SEE_AUDIT, Right.SEE_THRESHOLDS, Right.CHANGE_GENERATIONS})
"""What concerns every namespace at once, so that a key of one namespace may not."""


@dataclass(frozen=True)
class Visitor:
    """Whoever looks at the pages.

    Attributes:
        name: for the audit log.
        roles: what the visitor may be asked for.
        namespace: the part of the vault that is seen; all of it if empty.
    """

    name: str
    roles: frozenset[Role]
    namespace: str = ""

    def may(self, right: Right) -> bool:
        """Whether the visitor has a right."""
        if self.namespace and right in WHOLE_VAULT:
            return False
        return bool(self.roles & ROLES[right])

    def inside(self, signer: str) -> SignerId:
        """The vault's identifier of what the visitor calls a signer."""
        return inside(self.namespace, signer)

    def outside(self, signer: SignerId) -> str:
        """What the visitor calls a signer."""
        return outside(self.namespace, signer)

    def sees(self, signer: SignerId) -> bool:
        """Whether a signer lies in the visitor's namespace."""
        return signer.startswith(prefix_of(self.namespace))


def local_visitor() -> Visitor:
    """Somebody at the vault's own computer, who could as well use the command line."""
    return Visitor(LOCAL, frozenset(Role))


def visitor_of(key: ApiKey) -> Visitor:
    """Whoever holds a key."""
    return Visitor(key.name, key.roles, key.namespace)
