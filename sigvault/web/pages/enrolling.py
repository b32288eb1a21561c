"""Enrolling a signer's references from dropped pictures."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from sigvault.domain.errors import ConfigurationError, DuplicateAcrossSigners
from sigvault.vault import EnrollmentItem, ItemResult
from sigvault.web.drawings.consistency import draw_consistency
from sigvault.web.pages.signers import reference_cards
from sigvault.web.rendering import render
from sigvault.web.views.signatures import arrange
from sigvault.web.visits import Visit


def ask_to_enroll(visit: Visit) -> Response:
    """The form: who, and pictures of genuine signatures."""
    return _form(visit, visit.asked("signer"), "", "")


def enroll(visit: Visit) -> Response:
    """Enroll each picture on its own, and show whether the gallery goes together."""
    outside = visit.fields.get("signer", "").strip()
    name = visit.fields.get("name", "").strip()
    if not outside or not visit.uploads:
        problem = "Give the signer an identifier." if not outside else "Choose pictures."
        return _form(visit, outside, name, problem)
    signer = visit.signer(outside)
    try:
        items = [EnrollmentItem(signer, each.data, each.name) for each in visit.uploads]
    except ConfigurationError as error:
        return _form(visit, outside, name, str(error))
    report = visit.vault.enroll(
        items, names={signer: name} if name else None, by=visit.someone.name
    )
    results = [_discreet(visit, result) for result in report.results]
    if not report.enrolled and not report.already:
        return render(
            visit,
            "enrolled",
            status=422,
            signer=outside,
            report=report,
            results=results,
            cards=[],
            chart=None,
        )
    chart = draw_consistency(visit.vault.consistency(signer))
    cards = reference_cards(visit, visit.vault.signer(signer), chart)
    return render(
        visit,
        "enrolled",
        signer=outside,
        report=report,
        results=results,
        cards=cards,
        sheet=arrange([card.panel for card in cards]),
        chart=chart,
    )


def _discreet(visit: Visit, result: ItemResult) -> ItemResult:
    """What became of a picture, without the name of a signer of another namespace."""
    if visit.someone.namespace and result.error == DuplicateAcrossSigners.__name__:
        message = "the same image is enrolled under another signer: check whose signature it is"
        return replace(result, message=message)
    return result


def _form(visit: Visit, signer: str, name: str, problem: str) -> Response:
    return render(
        visit,
        "enroll",
        status=400 if problem else 200,
        signer=signer,
        name=name,
        problem=problem,
    )
