"""Pictures of the case that comes next are there before it is looked at."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes import draw_signature
from sigvault.domain.identifiers import SignerId
from sigvault.vault import Vault, Verdict
from sigvault.web.page_settings import PageSettings
from sigvault.web.pictures import Pictures
from sigvault.web.seen_cases import SeenCases
from sigvault.web.views.ahead import draw_ahead
from sigvault.web.visits import Desk


class CountingPictures(Pictures):
    """Says how many pictures had to be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def get(self, name, make):
        def counted():
            self.drawn.append(name)
            return make()

        return super().get(name, counted)


@pytest.fixture
def pictures(monkeypatch) -> CountingPictures:
    """Those of the pages that are made next."""
    counting = CountingPictures()
    monkeypatch.setattr("sigvault.web.app.Pictures", lambda: counting)
    return counting


def _names(vault: Vault, event: int) -> set[str]:
    scores = vault.review(event).evidence.score.per_reference
    return {f"probe {event}", *(f"reference {score.reference}" for score in scores)}


def test_the_queue_draws_its_first_case(vault, doubtful, pictures, browse):
    event = doubtful(vault)
    browser = browse(vault)
    browser.get("/queue")
    assert set(pictures.drawn) == _names(vault, event)
    pictures.drawn.clear()
    assert browser.get(f"/cases/{event}").status_code == 200
    assert pictures.drawn == []


def test_a_case_draws_the_one_after_it(vault, doubtful, pictures, browse):
    one, other = doubtful(vault), doubtful(vault, number=10)
    browser = browse(vault)
    browser.get(f"/cases/{one}")
    assert set(pictures.drawn) == _names(vault, one) | _names(vault, other)
    pictures.drawn.clear()
    reply = browser.post(
        f"/cases/{one}", {"verdict": "accept", "reason": "the same"}, page=f"/cases/{one}"
    )
    assert reply.headers["location"] == f"/cases/{other}"
    browser.get(f"/cases/{other}")
    assert pictures.drawn == []


def test_nothing_is_drawn_for_who_only_looks_at_decided_cases(vault, doubtful, pictures, browse):
    event = doubtful(vault)
    vault.decide_review(event, Verdict.ACCEPT, reason="the same", by="anna", blind=False)
    browse(vault).get("/queue?state=decided")
    assert pictures.drawn == []


def test_a_case_whose_signer_is_erased_meanwhile_is_passed_over(vault, doubtful):
    case = vault.review(doubtful(vault))
    vault.erase(SignerId("2"), by="anna")
    desk = Desk(vault, PageSettings(ahead_after=0.0), CountingPictures(), SeenCases())
    with ThreadPoolExecutor(1) as thread:  # a browser's loop may be running in this one
        thread.submit(asyncio.run, draw_ahead(desk, case)()).result()
    assert desk.pictures.drawn == []
    assert vault.verify(SignerId("1"), draw_signature(1, 9)).evidence.decision == "accept"
