"""A case's pictures, drawn before anybody asks for them."""

from __future__ import annotations

import logging

import anyio
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from sigvault.domain.errors import SigvaultError
from sigvault.domain.reviewing import ReviewCase
from sigvault.web.views.signatures import draw_probe, draw_reference
from sigvault.web.visits import Desk

_LOG = logging.getLogger(__name__)


def draw_ahead(desk: Desk, case: ReviewCase | None) -> BackgroundTask | None:
    """What to do once a page is sent, so that the case after it is there at once.

    It waits until the page's own pictures have been fetched, which come first.

    Args:
        desk: where drawn pictures are kept, as long as others.
        case: which will be looked at next; None for none.
    """
    return None if case is None else BackgroundTask(_draw_later, desk, case)


async def _draw_later(desk: Desk, case: ReviewCase) -> None:
    await anyio.sleep(desk.settings.ahead_after)
    await run_in_threadpool(_draw, desk, case)


def _draw(desk: Desk, case: ReviewCase) -> None:
    """Draw one after the other, so that whoever waits for a picture finds a core.

    What can't be drawn is no error here: the case's own page says so.
    """
    try:
        draw_probe(desk, case)
        for score in case.evidence.score.per_reference:
            draw_reference(desk, score.reference)
    except SigvaultError:
        _LOG.debug("case %d can't be drawn ahead", case.event, exc_info=True)
