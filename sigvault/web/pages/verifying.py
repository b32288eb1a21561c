"""Verifying and identifying by hand."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sigvault.domain.comparison import Candidate, Decision
from sigvault.domain.errors import SigvaultError
from sigvault.reporting.words import candidate_strength, headline
from sigvault.vault import Identification
from sigvault.web.advice import Advice, advise
from sigvault.web.pages.queue import case_address, next_case
from sigvault.web.pictures import DrawnPicture, draw
from sigvault.web.rendering import render
from sigvault.web.views.cases import view_case
from sigvault.web.views.signatures import Panel, unkept_probe_panel
from sigvault.web.visits import Visit

_TOP = 5


@dataclass(frozen=True)
class CandidateRow:
    """A signer that an identification came up with.

    Attributes:
        candidate: the candidate.
        signer: as the visitor calls it.
        headline: the decision.
        strength: the likelihood ratio in words.
    """

    candidate: Candidate
    signer: str
    headline: str
    strength: str


def ask_to_verify(visit: Visit) -> Response:
    """The form: a claimed signer and a picture."""
    return render(visit, "verify", signer=visit.asked("signer"), problem="", todo="")


def verify(visit: Visit) -> Response:
    """Decide, and show the answer with its evidence; the audit log records it."""
    claimed = visit.fields.get("signer", "").strip()
    if not claimed or not visit.uploads:
        problem = "Say who is claimed to have signed." if not claimed else "Choose a picture."
        return render(visit, "verify", status=400, signer=claimed, problem=problem, todo="")
    data = visit.uploads[0].data
    try:
        verification = visit.vault.verify(visit.signer(claimed), data, by=visit.someone.name)
    except SigvaultError as error:
        advice = _for_the_form(error)
        return render(
            visit,
            "verify",
            status=advice.status,
            signer=claimed,
            problem=str(error),
            todo=advice.todo,
        )
    case = visit.vault.review(verification.event)
    probe = unkept_probe_panel(draw(visit.vault.picture(data, verification.evidence.score)))
    view = view_case(visit, case, probe)
    return render(
        visit,
        "case",
        view=view,
        title=f"Signer {view.signer}",
        verdict_words={},
        problem="",
        todo="",
        reason="",
        chosen=None,
        following=case_address(next_case(visit, case.event)),
        fresh=True,
    )


def ask_to_identify(visit: Visit) -> Response:
    """The form: a picture."""
    return render(visit, "identify", found=None, problem="", todo="")


def identify(visit: Visit) -> Response:
    """Look for who could have signed."""
    if not visit.uploads:
        return render(
            visit, "identify", status=400, found=None, problem="Choose a picture.", todo=""
        )
    data, someone = visit.uploads[0].data, visit.someone
    try:
        found = visit.vault.identify(data, top=_TOP, by=someone.name, namespace=someone.namespace)
    except SigvaultError as error:
        advice = _for_the_form(error)
        return render(
            visit,
            "identify",
            status=advice.status,
            found=None,
            problem=str(error),
            todo=advice.todo,
        )
    return render(
        visit,
        "identify",
        found=found,
        outcome=_outcome(visit, found),
        rows=[_row(visit, candidate) for candidate in found.candidates],
        undecided=[someone.outside(signer) for signer in found.undecided],
        probe=_probe(draw(visit.vault.picture(data))),
        problem="",
        todo="",
    )


def _for_the_form(error: SigvaultError) -> Advice:
    """What to say beside the form.

    Raises:
        SigvaultError: The error itself, if it has nothing to do with what was filled in.
    """
    advice = advise(error)
    if advice.status >= 500:
        raise error
    return advice


def _probe(drawn: DrawnPicture) -> Panel:
    return unkept_probe_panel(drawn)


def _outcome(visit: Visit, found: Identification) -> str:
    if not found.candidates:
        return "No signer found"
    best = visit.someone.outside(found.candidates[0].signer)
    return {
        Decision.ACCEPT: f"Signer {best}",
        Decision.REVIEW: f"Perhaps signer {best}: needs review",
        Decision.REFUSE: "None of the signers",
    }[found.decision]


def _row(visit: Visit, candidate: Candidate) -> CandidateRow:
    return CandidateRow(
        candidate,
        visit.someone.outside(candidate.signer),
        headline(candidate.decision),
        candidate_strength(candidate),
    )
