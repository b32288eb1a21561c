"""Every error that sigvault raises on purpose has a page that says what to do."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from sigvault.domain.access import Role
from sigvault.domain.errors import SigvaultError
from sigvault.web.advice import ADVICE, advise
from sigvault.web.endpoints import error_page
from sigvault.web.page_settings import PageSettings
from sigvault.web.pictures import Pictures
from sigvault.web.seen_cases import SeenCases
from sigvault.web.sessions import Session
from sigvault.web.visits import Desk, Visit


def _all(kind: type[SigvaultError]) -> list[type[SigvaultError]]:
    return [kind, *(each for own in kind.__subclasses__() for each in _all(own))]


ERRORS = [kind for kind in _all(SigvaultError) if kind.__module__ == SigvaultError.__module__]


def _visit() -> Visit:
    scope = {"type": "http", "method": "GET", "path": "/queue", "headers": [], "query_string": b""}
    scope |= {"scheme": "http", "server": ("localhost", 80)}
    desk = Desk(None, PageSettings(), Pictures(), SeenCases())
    return Visit(desk, Request(scope), Session(), None)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_page_of_its_own(kind):
    advice = ADVICE[kind]
    assert 400 <= advice.status < 600
    page = error_page(_visit(), kind("it is <broken>: run `sigvault doctor`"))
    text = page.body.decode()
    assert page.status_code == advice.status
    assert "It is &lt;broken&gt;: run <code>sigvault doctor</code>." in text
    assert "What to do" in text
    assert len(advice.todo) > 10


def test_no_two_errors_share_a_title():
    titles = [advice.title for advice in ADVICE.values()]
    assert len(titles) == len(set(titles))


def test_an_error_that_is_new_is_answered_like_its_parent():
    class QuiteNew(ERRORS[3]):
        pass

    assert advise(QuiteNew("x")) is ADVICE[ERRORS[3]]


def test_an_address_that_leads_nowhere_says_so(local):
    for path, status in (("/nowhere", 404), ("/cases/999999", 404), ("/cases/x", 404)):
        answer = local.get(path)
        assert answer.status_code == status
        assert "What to do" in answer.text
    assert local.client.put("/queue").status_code == 405
    assert local.get("/queue?after=-1").status_code == 400
    assert local.get("/audit?page=x").status_code == 400
    assert local.get(f"/cases/{2**64}").status_code == 404


def test_a_number_that_is_none_leads_nowhere_for_anybody(vault, browse):
    vault.create_key("anna", frozenset({Role.REVIEWER}))
    for digits in ("1" * 5000, "1" * 16, "\u0661", "-1"):
        answer = browse(vault).get(f"/cases/{digits}")
        assert answer.status_code == 404
        assert "There is no such page" in answer.text
