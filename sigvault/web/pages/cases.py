"""A case: looking at it, and giving a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sigvault.domain.errors import AlreadyReviewed, SigvaultError, UnknownEvent
from sigvault.domain.identifiers import EventNumber
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verdicts import Verdict
from sigvault.reporting.words import headline
from sigvault.web.advice import advise
from sigvault.web.pages.queue import case_address, next_case
from sigvault.web.rendering import render
from sigvault.web.views.ahead import draw_ahead
from sigvault.web.views.cases import view_case
from sigvault.web.visits import Visit

_VERDICT_WORDS = {
    Verdict.ACCEPT: "Accept",
    Verdict.REFUSE: "Refuse",
    Verdict.CANNOT_TELL: "Can't tell",
}


@dataclass(frozen=True)
class _Problem:
    """Why a verdict could not be recorded.

    Attributes:
        status: HTTP status.
        said: what is wrong, for people.
        todo: what to do next; may be empty.
    """

    status: int
    said: str
    todo: str = ""


def show_case(visit: Visit) -> Response:
    """A verification with its signatures, and a form for a verdict."""
    return _render_case(visit, read_case(visit))


def show_case_anew(visit: Visit, problem: str) -> Response:
    """The case with what was filled in, where the form could not be taken."""
    verdict, reason = _filled_in(visit)
    found = _Problem(403, problem)
    return _render_case(visit, read_case(visit), found, reason=reason, chosen=verdict)


def decide_case(visit: Visit) -> Response:
    """Record a verdict, and go on with the next case."""
    case = read_case(visit)
    verdict, reason = _filled_in(visit)
    if verdict is None or not reason:
        problem = "Choose a verdict." if verdict is None else "Say why, in a word or two."
        return _render_case(visit, case, _Problem(400, problem), reason=reason, chosen=verdict)
    name = visit.someone.name
    blind = visit.blind and not visit.desk.seen.has_seen(name, case.event)
    try:
        visit.vault.decide_review(case.event, verdict, reason=reason, by=name, blind=blind)
    except AlreadyReviewed:
        return _show_decided(visit, case.event, verdict)
    except SigvaultError as error:
        advice = advise(error)
        found = _Problem(advice.status, f"Nothing was recorded: {error}", advice.todo)
        return _render_case(visit, case, found, reason=reason, chosen=verdict)
    said = f"Case {case.event}: your verdict “{_VERDICT_WORDS[verdict]}” is recorded. The machine "
    said += f"said “{headline(case.evidence.decision)}”."
    return visit.to(case_address(next_case(visit, case.event)), said, case.event)


def _filled_in(visit: Visit) -> tuple[Verdict | None, str]:
    """The verdict that was chosen, None for none, and the reason."""
    verdict = next((each for each in Verdict if each == visit.fields.get("verdict")), None)
    return verdict, visit.fields.get("reason", "").strip()


def _show_decided(visit: Visit, event: EventNumber, verdict: Verdict) -> Response:
    """The case as it is decided, for a verdict that came too late, or twice."""
    case = visit.vault.review(event)
    mine = next((each for each in case.verdicts if each.by == visit.someone.name), None)
    if mine is None:
        said = f"Others have decided case {event} meanwhile: your verdict is not recorded."
    elif mine.verdict is verdict:
        said = f"Case {event}: your verdict “{_VERDICT_WORDS[verdict]}” is recorded, once."
    else:
        said = f"Case {event}: your verdict “{_VERDICT_WORDS[mine.verdict]}” was recorded before, "
        said += f"and stays; “{_VERDICT_WORDS[verdict]}” is not recorded."
    return visit.to(case_address(case), said)


def turn_blind(visit: Visit) -> Response:
    """Hide the machine's answers from now on until a verdict is given, or show them again."""
    visit.session.blind = visit.fields.get("blind") == "on"
    case = visit.fields.get("case", "")
    return visit.to(f"/cases/{case}" if case.isascii() and case.isdigit() else "/queue")


def read_case(visit: Visit) -> ReviewCase:
    """The case in the address.

    Raises:
        UnknownEvent: If there is none, or it lies in another namespace.
    """
    number = visit.request.path_params["event"]
    case = visit.vault.review(EventNumber(number))
    if not visit.someone.sees(case.signer):
        raise UnknownEvent(f"event {number} is no verification of a signer of yours")
    return case


def _render_case(
    visit: Visit,
    case: ReviewCase,
    problem: _Problem | None = None,
    *,
    reason: str = "",
    chosen: Verdict | None = None,
) -> Response:
    view = view_case(visit, case)
    following = next_case(visit, case.event)
    response = render(
        visit,
        "case",
        status=200 if problem is None else problem.status,
        view=view,
        title=f"Case {case.event}",
        verdict_words=_VERDICT_WORDS,
        problem="" if problem is None else problem.said,
        todo="" if problem is None else problem.todo,
        reason=reason,
        chosen=chosen,
        following=case_address(following),
        fresh=False,
    )
    response.background = draw_ahead(visit.desk, following)
    return response
