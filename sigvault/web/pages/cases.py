"""A case: looking at it, and giving a verdict."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sigvault.domain.errors import ConfigurationError, UnknownEvent
from sigvault.domain.identifiers import EventNumber
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verdicts import Verdict
from sigvault.reporting.words import headline
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


def show_case(visit: Visit) -> Response:
    """A verification with its signatures, and a form for a verdict."""
    return _render_case(visit, read_case(visit))


def decide_case(visit: Visit) -> Response:
    """Record a verdict, and go on with the next case."""
    case = read_case(visit)
    reason = visit.fields.get("reason", "").strip()
    verdict = next((each for each in Verdict if each == visit.fields.get("verdict")), None)
    if verdict is None or not reason:
        problem = "Choose a verdict." if verdict is None else "Say why, in a word or two."
        return _render_case(visit, case, problem=problem, reason=reason, chosen=verdict)
    name = visit.someone.name
    blind = visit.blind and not visit.desk.seen.has_seen(name, case.event)
    try:
        visit.vault.decide_review(case.event, verdict, reason=reason, by=name, blind=blind)
    except ConfigurationError as error:
        return _render_case(visit, case, problem=str(error), reason=reason, chosen=verdict)
    said = f"Case {case.event}: your verdict “{_VERDICT_WORDS[verdict]}” is recorded. The machine "
    said += f"said “{headline(case.evidence.decision)}”."
    return visit.to(case_address(next_case(visit, case.event)), said, case.event)


def turn_blind(visit: Visit) -> Response:
    """Hide the machine's answers from now on until a verdict is given, or show them again."""
    visit.session.blind = visit.fields.get("blind") == "on"
    case = visit.fields.get("case", "")
    return visit.to(f"/cases/{case}" if case.isascii() and case.isdigit() else "/queue")


def read_case(visit: Visit) -> ReviewCase:
    """The case in the address.

    Raises:
        UnknownEvent: If there is none, or it lies in another namespace.
        HTTPException: If the address is no number's.
    """
    number = visit.request.path_params["event"]
    if not 0 < number < 2**53:
        raise HTTPException(404, "There is no case of that number.")
    case = visit.vault.review(EventNumber(number))
    if not visit.someone.sees(case.signer):
        raise UnknownEvent(f"event {number} is no verification of a signer of yours")
    return case


def _render_case(
    visit: Visit,
    case: ReviewCase,
    *,
    problem: str = "",
    reason: str = "",
    chosen: Verdict | None = None,
) -> Response:
    view = view_case(visit, case)
    following = next_case(visit, case.event)
    response = render(
        visit,
        "case",
        status=400 if problem else 200,
        view=view,
        title=f"Case {case.event}",
        verdict_words=_VERDICT_WORDS,
        problem=problem,
        reason=reason,
        chosen=chosen,
        following=case_address(following),
        fresh=False,
    )
    response.background = draw_ahead(visit.desk, following)
    return response
