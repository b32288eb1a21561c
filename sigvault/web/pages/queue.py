"""The queue of cases that people have to decide."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sigvault.domain.errors import UnknownSigner
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verdicts import ReviewState
from sigvault.reporting.words import headline
from sigvault.web.rendering import render, url
from sigvault.web.rights import Right
from sigvault.web.views.ahead import draw_ahead
from sigvault.web.views.cases import known_signer
from sigvault.web.visits import Visit

_PAGE = 25

_STATES = (ReviewState.OPEN, ReviewState.DISPUTED, ReviewState.DECIDED)


@dataclass(frozen=True)
class QueueRow:
    """A case in the queue.

    Attributes:
        case: the case.
        signer: as the visitor calls it.
        headline: the machine's answer; empty while it is hidden.
        mine: whether this person has given a verdict on it.
    """

    case: ReviewCase
    signer: str
    headline: str
    mine: bool


def show_queue(visit: Visit) -> Response:
    """The cases in one state, oldest first."""
    state = _state(visit.asked("state"))
    after = visit.number("after")
    problem, found = "", tuple[ReviewCase, ...]()
    try:
        found = visit.vault.reviews(
            state=state,
            signer=known_signer(visit, visit.asked("signer")),
            after=after,
            limit=_PAGE + 1,
            namespace=visit.someone.namespace,
        )
    except UnknownSigner as error:
        problem = str(error)
    response = render(
        visit,
        "queue",
        state=state,
        counts=[
            (each, visit.vault.count_reviews(state=each, namespace=visit.someone.namespace))
            for each in _STATES
        ],
        signer=visit.asked("signer").strip(),
        rows=[_row(visit, case) for case in found[:_PAGE]],
        more=found[_PAGE - 1].event if len(found) > _PAGE else 0,
        after=after,
        problem=problem,
    )
    first = found[0] if found and state is not ReviewState.DECIDED else None
    response.background = draw_ahead(visit.desk, first)
    return response


def case_address(case: ReviewCase | None) -> str:
    """The address of a case; of the queue if there is none."""
    return "/queue" if case is None else f"/cases/{case.event}"


def next_case(visit: Visit, after: int) -> ReviewCase | None:
    """The next case that this person can decide."""
    if not visit.may(Right.DECIDE):
        return None
    for start in (after, 0) if after else (0,):
        for state in (ReviewState.OPEN, ReviewState.DISPUTED):
            case = _first(visit, state, start, after)
            if case is not None:
                return case
    return None


def _first(visit: Visit, state: ReviewState, start: int, but: int) -> ReviewCase | None:
    """The first case after a number that this person has not given a verdict on."""
    name, namespace = visit.someone.name, visit.someone.namespace
    while found := visit.vault.reviews(state=state, after=start, limit=_PAGE, namespace=namespace):
        for case in found:
            if case.event != but and all(verdict.by != name for verdict in case.verdicts):
                return case
        start = found[-1].event
    return None


def _state(text: str) -> ReviewState:
    return next((state for state in _STATES if state.value == text), ReviewState.OPEN)


def _row(visit: Visit, case: ReviewCase) -> QueueRow:
    mine = any(verdict.by == visit.someone.name for verdict in case.verdicts)
    hidden = visit.blind and not mine and case.state is not ReviewState.DECIDED
    if not hidden:
        visit.desk.seen.note(visit.someone.name, case.event)
    return QueueRow(
        case,
        visit.someone.outside(case.signer),
        "" if hidden else headline(case.evidence.decision),
        mine,
    )


def queue_address(state: ReviewState, signer: str = "", after: int = 0) -> str:
    """The address of a part of the queue."""
    return url("/queue", state=state.value, signer=signer, after=after or "")
