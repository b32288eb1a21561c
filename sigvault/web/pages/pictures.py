"""The pictures of references and of kept probes."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sigvault.domain.errors import UnknownEvent, UnknownReference
from sigvault.domain.identifiers import EventNumber, ReferenceId
from sigvault.web.pictures import DrawnPicture, Tone
from sigvault.web.views.signatures import draw_probe, draw_reference
from sigvault.web.visits import Visit


def show_reference(visit: Visit) -> Response:
    """A reference's scan or ink.

    Raises:
        UnknownReference: If there is none, or it is of another signer than named.
    """
    reference = ReferenceId(visit.asked("reference"))
    if visit.someone.namespace:
        detail = visit.vault.signer(visit.signer(visit.asked("signer")))
        if all(each.id != reference for each in detail.references):
            raise UnknownReference(f"there is no reference {reference} of a signer of yours")
    return _picture(visit, draw_reference(visit.desk, reference))


def show_probe(visit: Visit) -> Response:
    """A kept probe's scan or ink.

    Raises:
        UnknownEvent: If there is no such case, or it lies in another namespace.
        ProbeNotKept: If its bytes are not there.
    """
    event = EventNumber(visit.number("event"))
    case = visit.vault.review(event)
    if not visit.someone.sees(case.signer):
        raise UnknownEvent(f"event {event} is no verification of a signer of yours")
    return _picture(visit, draw_probe(visit.desk, case))


def _picture(visit: Visit, drawn: DrawnPicture) -> Response:
    if visit.asked("view") == "scan":
        return Response(drawn.scan, media_type="image/png")
    tone = next((tone for tone in Tone if tone == visit.asked("tone", Tone.INK)), None)
    if tone is None:
        raise HTTPException(400, f"the tone is one of {', '.join(Tone)}")
    return Response(drawn.ink(tone), media_type="image/png")
