"""Answers that were given under a name, so that the same request gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import SignerKey
from sigvault.storage.tables import AnswerRow, AnswerSignerRow


def add_answer(session: Session, answer: AnswerRow, signers: Iterable[SignerKey]) -> None:
    """Remember an answer, and the signers with whom it is removed."""
    session.add(answer)
    session.flush()
    session.add_all(
        AnswerSignerRow(asker=answer.asker, name=answer.name, signer_key=key)
        for key in dict.fromkeys(signers)
    )
    session.flush()


def find_answer(session: Session, asker: str, name: str) -> AnswerRow | None:
    """What was answered under a name, or None."""
    return session.get(AnswerRow, (asker, name))


def drop_answers_before(session: Session, moment: datetime) -> int:
    """Forget answers that were given before a moment; how many."""
    return _drop(session, AnswerRow.answered_at < moment)


def drop_answers_about(session: Session, signer: SignerKey) -> int:
    """Forget the answers that name a signer; how many."""
    named = select(AnswerSignerRow.asker, AnswerSignerRow.name).where(
        AnswerSignerRow.signer_key == signer
    )
    return _drop(session, tuple_(AnswerRow.asker, AnswerRow.name).in_(named))


def _drop(session: Session, which: ColumnElement[bool]) -> int:
    gone = session.execute(select(AnswerRow.asker, AnswerRow.name).where(which)).all()
    for asker, name in gone:
        session.execute(
            delete(AnswerSignerRow).where(
                AnswerSignerRow.asker == asker, AnswerSignerRow.name == name
            )
        )
        session.execute(delete(AnswerRow).where(AnswerRow.asker == asker, AnswerRow.name == name))
    return len(gone)
