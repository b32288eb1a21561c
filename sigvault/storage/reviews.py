"""Cases that people look at, and which events are their verdicts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import EventNumber, SignerKey
from sigvault.domain.verdicts import ReviewState
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.namespaces import begins_with
from sigvault.storage.tables import ReviewRow, SignerRow, VerdictRow


def open_review(session: Session, event: EventNumber, signer: SignerKey) -> ReviewRow:
    """Ask people about a verification."""
    row = ReviewRow(event=event, signer_key=signer, state=ReviewState.OPEN)
    session.add(row)
    session.flush()
    return row


def open_review_directly(
    transaction: DriverTransaction, event: EventNumber, signer: SignerKey
) -> None:
    """Ask people as `open_review` does, by the driver alone."""
    transaction.run(
        "INSERT INTO reviews (event, signer_key, state) VALUES (?, ?, ?)",
        (event, signer, ReviewState.OPEN.value),
    )


def find_review(session: Session, event: EventNumber) -> ReviewRow | None:
    """The case of a verification, or None if nobody was asked."""
    return session.get(ReviewRow, event)


def add_verdict(session: Session, review: ReviewRow, event: EventNumber) -> None:
    """Note that an event is a verdict on a case."""
    session.add(VerdictRow(event=event, verification=review.event))
    session.flush()


def list_reviews(
    session: Session,
    *,
    state: ReviewState | None,
    signer: SignerKey | None = None,
    prefix: str = "",
    after: int = 0,
    limit: int | None = None,
) -> list[ReviewRow]:
    """Cases in order of their verifications.

    Args:
        session: where to look.
        state: only those in this state, or all.
        signer: only those of this signer.
        prefix: only those of signers whose identifiers begin with this.
        after: only those of verifications with a larger number.
        limit: at most so many, or None for all.
    """
    query = _chosen(select(ReviewRow), state, signer, prefix).where(ReviewRow.event > after)
    return list(session.scalars(query.order_by(ReviewRow.event).limit(limit)))


def count_reviews(session: Session, *, state: ReviewState | None, prefix: str = "") -> int:
    """How many cases are in a state, or how many there are."""
    return session.scalar(_chosen(select(func.count(ReviewRow.event)), state, None, prefix)) or 0


def verdict_events(
    session: Session, verifications: Collection[EventNumber]
) -> dict[EventNumber, list[EventNumber]]:
    """The numbers of the verdicts on some verifications, in order."""
    query = select(VerdictRow.verification, VerdictRow.event).order_by(VerdictRow.event)
    found: dict[EventNumber, list[EventNumber]] = {}
    rows = session.execute(query.where(VerdictRow.verification.in_(list(verifications))))
    for verification, event in rows:
        found.setdefault(verification, []).append(event)
    return found


def all_reviews(session: Session) -> dict[EventNumber, tuple[SignerKey, ReviewState]]:
    """Every case: the claimed signer, and where it stands."""
    query = select(ReviewRow.event, ReviewRow.signer_key, ReviewRow.state)
    return {event: (key, state) for event, key, state in session.execute(query)}


def all_verdicts(session: Session) -> dict[EventNumber, EventNumber]:
    """Every verdict's number, with its verification's."""
    query = select(VerdictRow.event, VerdictRow.verification)
    return dict(session.execute(query).all())


def drop_reviews(session: Session, signer: SignerKey) -> None:
    """Forget a signer's cases."""
    own = select(ReviewRow.event).where(ReviewRow.signer_key == signer)
    session.execute(delete(VerdictRow).where(VerdictRow.verification.in_(own)))
    session.execute(delete(ReviewRow).where(ReviewRow.signer_key == signer))


_Query = TypeVar("_Query", bound=Select[Any])


def _chosen(
    query: _Query, state: ReviewState | None, signer: SignerKey | None, prefix: str
) -> _Query:
    if state is not None:
        query = query.where(ReviewRow.state == state)
    if signer is not None:
        query = query.where(ReviewRow.signer_key == signer)
    if prefix:
        query = query.join(SignerRow, SignerRow.key == ReviewRow.signer_key)
        query = query.where(begins_with(prefix))
    return query
