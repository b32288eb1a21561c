"""What keeps others out: headers, forms from elsewhere, cookies, keys, sizes."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from fakes import draw_signature
from sigvault.domain.access import Role
from sigvault.domain.identifiers import SignerId
from sigvault.web.app import create_pages
from sigvault.web.page_settings import PageSettings

PAGES = [
    "/queue",
    "/verify",
    "/identify",
    "/signers",
    "/signers/show?signer=1",
    "/enroll",
    "/audit",
    "/thresholds",
    "/generations",
    "/sign-in",
    "/nowhere",
]


class _Inline(HTMLParser):
    """Collects what a strict policy forbids in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action", "hx-get", "hx-post"):
            if re.match(r"[a-z]+:|//", names.get(name) or "") and tag != "image":
                self.found.append(f"{name}={names[name]}")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_what_is_not_ours_and_needs_nothing_else(local, path):
    answer = local.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    inline = _Inline()
    inline.feed(answer.text)
    assert inline.found == []


def test_a_case_is_as_strict(local, vault, doubtful):
    answer = local.get(f"/cases/{doubtful(vault)}")
    inline = _Inline()
    inline.feed(answer.text)
    assert inline.found == []
    assert answer.status_code == 200


def test_own_files_are_kept_and_nothing_else_is_served(local):
    names = set(re.findall(r'/static/[^"]+', local.get("/sign-in").text))
    assert len(names) >= 6
    for name in names:
        answer = local.get(name)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for name in ("../app.py", "..%2fapp.py", "app.py", "htmx"):
        assert local.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_form_without_the_token_does_nothing(local, vault, token):
    local.get("/sign-in")
    answer = local.client.post(
        "/signers/erase?signer=1", data={"typed": "1", "token": token}, follow_redirects=False
    )
    assert answer.status_code == 403
    assert len(vault.signers()) == 4


@pytest.mark.parametrize("token", ["", "wrong"])
def test_no_reference_is_erased_without_the_token(local, vault, token):
    reference = vault.signer(SignerId("1")).references[0].id
    local.get("/sign-in")
    answer = local.client.post(
        "/signers/erase-reference?signer=1",
        data={"reference": reference, "reason": "wrong", "token": token},
        follow_redirects=False,
    )
    assert answer.status_code == 403
    assert vault.signer(SignerId("1")).summary.references == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_site_does_nothing(local, vault, headers):
    answer = local.post("/signers/erase?signer=1", {"typed": "1"}, headers=headers)
    assert answer.status_code == 403
    assert len(vault.signers()) == 4


def test_the_token_may_come_in_a_header(local, vault):
    token = re.search(r'X-Sigvault-Token": "([^"]+)"', local.get("/signers").text)[1]
    answer = local.client.post(
        "/signers/erase?signer=1",
        data={"typed": "1"},
        headers={"X-Sigvault-Token": token, "Origin": "http://localhost", "HX-Request": "true"},
    )
    assert answer.headers["hx-redirect"] == "/signers"
    assert len(vault.signers()) == 3


def test_the_cookie_comes_with_a_link_but_not_with_a_form_and_for_no_script(local, vault, browse):
    plain = local.get("/sign-in").headers["set-cookie"]
    assert plain.startswith("sigvault=")
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain  # a link in a message finds whoever is signed in
    secure = browse(vault, address="https://localhost").get("/sign-in").headers["set-cookie"]
    assert secure.startswith("__Host-sigvault=")
    assert "Secure" in secure


def test_only_a_change_sends_the_cookie_again(local, vault):
    reference = vault.signer(SignerId("1")).references[0].id
    assert "set-cookie" in local.get("/signers").headers
    assert "set-cookie" not in local.get("/signers").headers
    picture = local.get(f"/pictures/reference?signer=1&reference={reference}&view=scan")
    assert "set-cookie" not in picture.headers
    assert "set-cookie" in local.post("/blind", {"blind": "on"}).headers


def test_a_sign_in_ends(vault, person):
    anna = person(vault, Role.AUDITOR, session_hours=0.0005)
    time.sleep(3.1)
    assert anna.get("/audit").status_code == 303


def test_a_forged_or_old_cookie_is_nobodys(vault, browse):
    vault.create_key("anna", frozenset({Role.AUDITOR}))
    browser = browse(vault, address="https://sigvault.test")
    key = vault.keys()[0].id
    browser.client.cookies.set("__Host-sigvault", f'{{"token": "t", "key": "{key}"}}.x.y')
    assert browser.get("/audit").status_code == 303


def test_open_to_this_computer_alone(vault, browse):
    assert browse(vault).get("/queue").status_code == 200
    assert browse(vault, address="http://127.0.0.1:8000").get("/queue").status_code == 200
    assert browse(vault, address="http://[::1]:8000").get("/queue").status_code == 200
    for closed in (
        browse(vault, comes_from="192.0.2.7"),
        browse(vault, address="http://sigvault.test"),  # another name may be pointed here
        browse(vault, PageSettings(open_without_keys=False)),
    ):
        answer = closed.get("/queue?state=open")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=%2Fqueue%3Fstate%3Dopen"
    forwarded = browse(vault).get("/queue", headers={"X-Forwarded-For": "192.0.2.7"})
    assert forwarded.status_code == 303


def test_once_there_is_a_key_everybody_signs_in(vault, local):
    assert local.get("/queue").status_code == 200
    key = vault.create_key("anna", frozenset({Role.REVIEWER})).key
    assert local.get("/queue").status_code == 303
    vault.revoke_key(key.id)
    assert local.get("/queue").status_code == 303


def test_a_revoked_key_opens_nothing_from_then_on(vault, person):
    anna = person(vault, Role.AUDITOR)
    assert anna.get("/audit").status_code == 200
    vault.revoke_key(vault.keys()[0].id)
    assert anna.get("/audit").status_code == 303


def test_an_expired_key_is_refused(vault, browse):
    secret = vault.create_key(
        "anna", frozenset({Role.AUDITOR}), expires=timedelta(microseconds=1)
    ).secret
    answer = browse(vault, address="https://sigvault.test").post("/sign-in", {"key": secret})
    assert answer.status_code == 401
    assert "expired" in answer.text


def test_signing_in_and_out(vault, person):
    anna = person(vault, Role.AUDITOR, name="anna")
    before = anna.client.cookies["__Host-sigvault"]
    page = anna.get("/audit").text
    assert "anna" in page
    assert "Sign out" in page
    assert anna.post("/sign-out", page="/audit").headers["location"] == "/sign-in"
    assert anna.get("/audit").status_code == 303
    assert anna.client.cookies["__Host-sigvault"] != before


def test_the_secret_is_in_no_cookie(vault, browse):
    secret = vault.create_key("anna", frozenset({Role.AUDITOR})).secret
    browser = browse(vault, address="https://sigvault.test").sign_in(secret)
    random = secret.split("_", 2)[2]
    assert all(random not in cookie.value for cookie in browser.client.cookies.jar)


def test_a_key_does_not_travel_in_the_open(vault, browse):
    secret = vault.create_key("anna", frozenset({Role.AUDITOR})).secret
    elsewhere = browse(vault, address="http://sigvault.test", comes_from="192.0.2.7")
    answer = elsewhere.post("/sign-in", {"key": secret})
    assert answer.status_code == 401
    assert "https" in answer.text


@pytest.mark.parametrize(
    "following", ["//elsewhere.test", "https://elsewhere.test", "/\\elsewhere.test", "/a\nb", "x"]
)
def test_signing_in_leads_nowhere_else(vault, browse, following):
    secret = vault.create_key("anna", frozenset({Role.AUDITOR})).secret
    browser = browse(vault, address="https://sigvault.test")
    answer = browser.post("/sign-in", {"key": secret, "next": following})
    assert answer.headers["location"] == "/"


def test_signing_in_leads_back(vault, browse):
    secret = vault.create_key("anna", frozenset({Role.AUDITOR})).secret
    browser = browse(vault, address="https://sigvault.test")
    answer = browser.post("/sign-in", {"key": secret, "next": "/audit?page=2"})
    assert answer.headers["location"] == "/audit?page=2"


def test_too_much_at_once_is_refused(vault, browse):
    browser = browse(vault, PageSettings(most_upload=10_000))
    files = {"pictures": ("a.png", b"0" * 20_000, "image/png")}
    answer = browser.post("/enroll", {"signer": "9"}, files=files)
    assert answer.status_code == 413
    assert "What to do" in answer.text
    small = {"pictures": ("a.png", draw_signature(9), "image/png")}
    assert browser.post("/enroll", {"signer": "9"}, files=small).status_code == 200


def test_sessions_are_two_browsers_apart(vault, browse):
    app = create_pages(vault)
    one, other = browse(vault, app=app), browse(vault, app=app)
    token = re.search(r'name="token" value="([^"]+)"', one.get("/sign-in").text)[1]
    other.get("/sign-in")
    answer = other.client.post("/blind", data={"token": token}, follow_redirects=False)
    assert answer.status_code == 403


def test_weak_settings_are_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        PageSettings(secret=b"short")
    with pytest.raises(ValueError, match="above 0"):
        PageSettings(session_hours=0)
    with pytest.raises(ValueError, match="0 or above"):
        PageSettings(ahead_after=-1)
    with pytest.raises(ValueError, match="form_seconds"):
        PageSettings(form_seconds=0)
    with pytest.raises(ValueError, match=r"proxy\.example"):
        PageSettings(trusted_proxies=("proxy.example",))
    assert b"x" * 32 not in repr(PageSettings(secret=b"x" * 32)).encode()


def test_a_mistake_of_the_program_says_nothing_of_itself(browse, caplog):
    class Broken:
        def keys(self):
            raise RuntimeError("the password is hunter2")

    browser = browse(Broken())
    answer = browser.get("/queue")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "What to do" in answer.text
    assert "content-security-policy" in answer.headers
    assert "GET /queue failed" in caplog.text


def test_erased_pictures_are_not_shown_any_more(local, vault):
    reference = vault.signer(SignerId("1")).references[0].id
    path = f"/pictures/reference?signer=1&reference={reference}&view=scan"
    assert local.get(path).headers["content-type"] == "image/png"
    vault.erase_reference(SignerId("1"), reference, reason="wrong")  # elsewhere, such as on
    assert local.get(path).status_code == 404  # the command line
    other = vault.signer(SignerId("1")).references[0].id
    path = path.replace(reference, other)
    assert local.get(path).status_code == 200
    vault.erase(SignerId("1"))
    assert local.get(path).status_code == 404
