"""Erasing once more what another log says was erased, as after going back to a backup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from sigvault.domain.audit import (
    AuditRecord,
    KeyRevoked,
    ProbesForgotten,
    ReferenceErased,
    SignerErased,
)
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import ReferenceId, SignerKey
from sigvault.services.erasure import take_signer_out
from sigvault.services.kept_probes import take_probes_out
from sigvault.services.reference_erasure import take_reference_out
from sigvault.storage.api_keys import find_key, list_keys, mark_revoked
from sigvault.storage.audit_log import append
from sigvault.storage.driver import directly
from sigvault.storage.references import own_references
from sigvault.storage.signers import external_ids

_WHY = "erased again, since it was erased after the backup that was restored"


@dataclass(frozen=True)
class ErasedAgain:
    """What was erased and revoked once more.

    Attributes:
        signers: how many signers.
        references: how many references of signers who stay.
        probes: how many kept probes, because of their age.
        keys: how many keys.
    """

    signers: int = 0
    references: int = 0
    probes: int = 0
    keys: int = 0

    @property
    def anything(self) -> bool:
        """Whether there was something to erase or to revoke."""
        return any(getattr(self, each.name) for each in fields(self))

    def __add__(self, other: ErasedAgain) -> ErasedAgain:
        """Both together."""
        return ErasedAgain(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )


def erase_again(
    session: Session, events: Iterable[AuditRecord], *, by: str, at: datetime
) -> ErasedAgain:
    """Repeat erasures and revocations of another log, each recorded as an event of this one's.

    Who isn't here any more, or never was, is passed over, so repeating it all does nothing.

    Args:
        session: a writing one.
        events: the other log's, in order; those of other kinds are passed over.
        by: who has it done.
        at: when.

    Raises:
        VaultDamaged: If an event doesn't say what it should.
    """
    again = ErasedAgain()
    for event in events:
        try:
            again += _repeat(session, event, by, at)
        except (KeyError, TypeError, ValueError) as error:
            raise VaultDamaged(
                f"event {event.number} of the log that tells of erasures can't be read ({error}): "
                "give another copy of it"
            ) from error
    return again


def revoke_all(session: Session, *, by: str, at: datetime) -> ErasedAgain:
    """Revoke every key that is valid: nobody knows which of them were revoked elsewhere."""
    valid = [key.id for key in list_keys(session) if key.is_valid(at)]
    return sum((_revoke(session, key, by, at) for key in valid), ErasedAgain())


def _repeat(session: Session, event: AuditRecord, by: str, at: datetime) -> ErasedAgain:
    said: dict[str, Any] = event.public
    if event.kind == SignerErased.kind:
        return _erase_signer(session, SignerKey(said["signer"]), by, at)
    if event.kind == ReferenceErased.kind:
        owner, reference = SignerKey(said["signer"]), ReferenceId(said["reference"])
        return _erase_reference(session, owner, reference, by, at)
    if event.kind == ProbesForgotten.kind:
        before = datetime.fromisoformat(said["before"])
        return ErasedAgain(probes=take_probes_out(session, before, by=by, at=at))
    if event.kind == KeyRevoked.kind:
        return _revoke(session, said["key"], by, at)
    return ErasedAgain()


def _erase_signer(session: Session, signer: SignerKey, by: str, at: datetime) -> ErasedAgain:
    if signer not in external_ids(session, [signer]):
        return ErasedAgain()
    take_signer_out(directly(session), signer, by=by, at=at)
    return ErasedAgain(signers=1)


def _erase_reference(
    session: Session, signer: SignerKey, reference: ReferenceId, by: str, at: datetime
) -> ErasedAgain:
    transaction = directly(session)
    own = {each.id: each for each in own_references(transaction, signer)}
    if reference not in own:
        return ErasedAgain()
    said = {"signer": external_ids(session, [signer])[signer], "by": by, "reason": _WHY}
    take_reference_out(transaction, signer, own[reference], said, at)
    return ErasedAgain(references=1)


def _revoke(session: Session, key: str, by: str, at: datetime) -> ErasedAgain:
    found = find_key(session, key)
    if found is None or found[0].revoked_at is not None:
        return ErasedAgain()
    mark_revoked(session, key, at)
    append(session, KeyRevoked(key, by), at)
    return ErasedAgain(keys=1)
