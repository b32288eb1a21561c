"""Answers that were given under a name, so that the same request gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from sigvault.domain.identifiers import SignerKey
from sigvault.storage.driver import DriverTransaction
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


def has_answers_before(transaction: DriverTransaction, moment: datetime) -> bool:
    """Whether an answer was given before a moment."""
    statement = "SELECT 1 FROM answers WHERE answered_at < ? LIMIT 1"
    return bool(transaction.rows(statement, (transaction.time(moment),)))


def drop_answers_before(transaction: DriverTransaction, moment: datetime) -> int:
    """Forget answers that were given before a moment; how many."""
    before = (transaction.time(moment),)
    transaction.run(
        "DELETE FROM answer_signers WHERE (asker, name) IN"
        " (SELECT asker, name FROM answers WHERE answered_at < ?)",
        before,
    )
    return transaction.run("DELETE FROM answers WHERE answered_at < ?", before)


def drop_answers_about(
    transaction: DriverTransaction, signer: SignerKey, *, naming: str = ""
) -> int:
    """Forget the answers that name a signer; how many.

    Args:
        transaction: a writing one.
        signer: the signer.
        naming: only those that hold this, too, such as a reference's identifier.
    """
    named = transaction.rows(
        "SELECT asker, name FROM answers JOIN answer_signers USING (asker, name)"
        " WHERE signer_key = ? AND answer LIKE ?",
        (signer, f"%{naming}%"),
    )
    for answer in named:
        transaction.run("DELETE FROM answer_signers WHERE asker = ? AND name = ?", answer)
        transaction.run("DELETE FROM answers WHERE asker = ? AND name = ?", answer)
    return len(named)
