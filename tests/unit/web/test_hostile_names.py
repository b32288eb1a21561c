"""Names, identifiers, reasons and files that try to be more than text."""

from __future__ import annotations

import re
from html import escape

import pytest

from fakes import draw_signature
from sigvault.domain.identifiers import SignerId
from sigvault.domain.verdicts import Verdict
from sigvault.vault import EnrollmentItem

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7777777 }}",
    "'; DROP TABLE signers; --",
    "../../etc/passwd",
    "a/b?c=d&e=f#g%2e",
    "ünïcødé 名前",
]


@pytest.fixture(params=NAMES)
def hostile(request, vault) -> str:
    name = request.param
    items = [EnrollmentItem(SignerId(name), draw_signature(30, number)) for number in range(3)]
    assert vault.enroll(items, names={SignerId(name): name}).enrolled == 3
    return name


def test_they_are_text_on_every_page(local, vault, hostile):
    files = {"pictures": ("a.png", draw_signature(4, 9), "image/png")}
    event = vault.verify(SignerId(hostile), draw_signature(30, 9)).event
    vault.decide_review(event, Verdict.ACCEPT, reason=hostile, by=hostile)
    pages = [
        local.get("/signers"),
        local.get("/signers", params={"search": hostile}),
        local.get("/signers/show", params={"signer": hostile}),
        local.get("/verify", params={"signer": hostile}),
        local.get("/enroll", params={"signer": hostile}),
        local.get("/queue", params={"signer": hostile}),
        local.get("/audit", params={"signer": hostile}),
        local.get(f"/cases/{event}"),
        local.post("/verify", {"signer": hostile}, files=files),
    ]
    for page in pages:
        assert page.status_code == 200
        assert escape(hostile).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.text
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    form = local.get("/verify", params={"signer": "{{ 7 * 7777777 }}"}).text
    assert "54444439" not in form


def test_they_lead_to_their_own_pages(local, hostile):
    listed = local.get("/signers").text
    links = [part.split('"')[0] for part in listed.split('href="')[1:] if "signers/show" in part]
    pages = [local.get(link.replace("&amp;", "&")) for link in links]
    assert all(page.status_code == 200 for page in pages)
    assert len(pages) == 5
    shown = local.get("/signers/show", params={"signer": hostile}).text
    pictures = [
        part.split('"')[0].replace("&amp;", "&")
        for part in re.split('href="|data-ink="', shown)[1:]
        if part.startswith("/pictures/")
    ]
    assert len(pictures) == 6
    assert all(local.get(picture).status_code == 200 for picture in pictures)


def test_a_file_is_called_by_its_name_and_no_more(local):
    name = "<b>x</b>.png"
    answer = local.post("/enroll", {"signer": "9"}, files={"pictures": (name, b"no", "image/png")})
    assert answer.status_code == 422
    assert "<b>x</b>" not in answer.text
    assert "&lt;b&gt;x" in answer.text


def test_an_identifier_that_can_not_be_is_said_in_the_form(local):
    files = {"pictures": ("a.png", draw_signature(9), "image/png")}
    answer = local.post("/enroll", {"signer": "a\x07b"}, files=files)
    assert answer.status_code == 400
    assert "identify a signer" in answer.text
