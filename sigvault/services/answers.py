"""Answers by the name that the asker gave the request, so that asking again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sigvault.domain.errors import RequestDiffers
from sigvault.domain.identifiers import SignerId
from sigvault.services.resources import Resources
from sigvault.storage import answers
from sigvault.storage.driver import directly, read_directly, write_directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.signers import find_signer
from sigvault.storage.tables import AnswerRow

KEPT_FOR = timedelta(hours=24)
"""How long an answer is given again."""


@dataclass(frozen=True)
class RequestName:
    """What an asker calls a request.

    Attributes:
        asker: a key's id, or ``"local"``.
        name: the asker's own name for it, 1 to 255 characters.
        digest: SHA-256 of the whole request, hex.
    """

    asker: str
    name: str
    digest: str


def find_answer(resources: Resources, request: RequestName) -> str | None:
    """The answer that was given to the same request, or None.

    Raises:
        RequestDiffers: If another request was answered under the name.
    """
    with read_session(resources.engine) as session:
        row = answers.find_answer(session, request.asker, request.name)
    if row is None:
        return None
    if row.answered_at < resources.clock() - KEPT_FOR:
        drop_old_answers(resources)
        return None
    if row.request_digest != request.digest:
        raise RequestDiffers(
            f"another request was answered under the name {request.name!r}: give this one a name "
            "of its own"
        )
    return row.answer


def drop_old_answers(resources: Resources) -> int:
    """Forget the answers that are given no more; how many.

    Raises:
        StorageFailed: If the database can't be written.
    """
    before = resources.clock() - KEPT_FOR
    with read_directly(resources.engine) as reading:
        if not answers.has_answers_before(reading, before):
            return 0
    with write_directly(resources.engine) as transaction:
        return answers.drop_answers_before(transaction, before)


def keep_answer(
    resources: Resources, request: RequestName, answer: str, signers: Iterable[SignerId]
) -> None:
    """Remember an answer until a day has passed, or a signer that it names is erased.

    All that it names have to be given, also who holds an image that was refused as a duplicate.
    One that names somebody who isn't enrolled is not remembered: nobody could erase it.
    """
    with write_session(resources.engine) as session:
        now = resources.clock()
        answers.drop_answers_before(directly(session), now - KEPT_FOR)
        if answers.find_answer(session, request.asker, request.name) is not None:
            return
        found = [find_signer(session, signer) for signer in set(signers)]
        if any(row is None for row in found):
            return
        row = AnswerRow(
            asker=request.asker,
            name=request.name,
            request_digest=request.digest,
            answer=answer,
            answered_at=now,
        )
        answers.add_answer(session, row, [each.key for each in found if each is not None])
