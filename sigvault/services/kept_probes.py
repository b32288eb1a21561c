"""Probes that are kept for people to look at: keeping, reading and forgetting them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from sigvault.domain.audit import ProbesForgotten, Verified
from sigvault.domain.errors import (
    ConfigurationError,
    ProbeNotKept,
    SigvaultError,
    UnknownEvent,
    VaultDamaged,
)
from sigvault.domain.identifiers import EventNumber, SignerKey
from sigvault.services.acquisition import digest_of
from sigvault.services.cleaning import clean_log
from sigvault.services.pending_images import settle_pending
from sigvault.services.resources import Resources
from sigvault.storage.audit_log import append, read
from sigvault.storage.driver import DriverTransaction, directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.kept_probes import drop_probes, keep_probe, kept_digest
from sigvault.storage.orphaned_images import note_orphans
from sigvault.storage.vault_state import note_erasure


@contextmanager
def keeping(resources: Resources, probe: bytes | None) -> Iterator[Keeper]:
    """What keeps a probe in the writing transaction inside of the block; nothing stays otherwise.

    The bytes are written before the block, as a note, so that other writers don't wait for that.

    Args:
        resources: the vault's.
        probe: the bytes to keep; None to keep none.

    Raises:
        StorageFailed: If the disk is full or the folder can't be written.
    """
    if probe is None:
        yield Keeper(resources)
        return
    digest = digest_of(probe)
    keeper = Keeper(resources, probe, digest, resources.pending.note(digest, probe))
    try:
        yield keeper
    except BaseException:
        if keeper.begun:
            _discard(resources)  # the note stays where this fails
        else:
            resources.pending.clear(keeper.note)
        raise
    resources.pending.clear(keeper.note)


class Keeper:
    """Keeps one probe, once; see `keeping`.

    Attributes:
        note: the note that holds the bytes, to be cleared in the end; empty where none are kept.
        begun: whether there may be an image.
    """

    def __init__(
        self, resources: Resources, probe: bytes = b"", digest: str = "", note: str = ""
    ) -> None:
        """Take the bytes, their SHA-256 and their note; none of them to keep nothing."""
        self._resources = resources
        self._probe = probe
        self._digest = digest
        self.note = note
        self.begun = False

    def keep(self, transaction: DriverTransaction, event: EventNumber, signer: SignerKey) -> None:
        """Give the bytes their name among the images, and write their row.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written.
        """
        if not self.note:
            return
        resources, digest, self.begun = self._resources, self._digest, True
        if resources.pending.has(self.note):
            resources.images.adopt(resources.pending.path(self.note), digest, self._probe)
        else:  # whoever settled meanwhile took it for left over
            self.note = resources.pending.note(digest)
            resources.images.write(self._probe)
        keep_probe(transaction, event, signer, (digest, len(self._probe)), resources.clock())


def read_probe(resources: Resources, event: EventNumber) -> bytes:
    """The bytes of a verification's probe, as they were.

    Raises:
        UnknownEvent: If the event is no verification.
        ProbeNotKept: If they weren't kept, or are gone.
        VaultDamaged: If the image is missing or changed.
    """
    with read_session(resources.engine) as session:
        digest = kept_digest(session, event)
    if digest is not None:
        try:
            return resources.images.read(digest)
        except VaultDamaged:
            with read_session(resources.engine) as session:
                if kept_digest(session, event) is not None:
                    raise
            # It was removed, or its signer erased, since it was looked up.
    with read_session(resources.engine) as session:
        records = read(session, after=event - 1, limit=1)
    if not records or records[0].number != event or records[0].kind != Verified.kind:
        raise UnknownEvent(f"event {event} is no verification: see `sigvault audit log`")
    raise ProbeNotKept(
        f"the probe of verification {event} is not kept, or was removed: verify it again, with "
        "SIGVAULT_KEEP_PROBES set to review or always"
    )


def forget_probes(resources: Resources, older_than: timedelta, *, by: str) -> int:
    """Remove the probes that have been kept for longer than this.

    Args:
        resources: the vault's.
        older_than: zero for all.
        by: who removes them.

    Returns:
        How many images went; one that something else needs stays.

    Raises:
        ConfigurationError: If the time is negative.
        StorageFailed: If the database or an image can't be changed.
    """
    if older_than < timedelta(0):
        raise ConfigurationError(f"{older_than} is no age: give zero or more")
    with write_session(resources.engine) as session:
        now = resources.clock()
        if not take_probes_out(session, now - older_than, by=by, at=now):
            return 0
    removed = settle_pending(resources.engine, resources.images, resources.pending)
    clean_log(resources.engine)
    return removed


def take_probes_out(session: Session, before: datetime, *, by: str, at: datetime) -> int:
    """Take probes that were kept before a moment out of the database, and record it; how many."""
    digests = drop_probes(session, before)
    if digests:
        note_orphans(directly(session), digests)
        event = append(session, ProbesForgotten(len(digests), before, by), at)
        note_erasure(directly(session), event)
    return len(digests)


def _discard(resources: Resources) -> None:
    """Remove the image of a transaction that failed; if that fails too, it is done later."""
    try:
        settle_pending(resources.engine, resources.images, resources.pending)
    except SigvaultError:
        return
