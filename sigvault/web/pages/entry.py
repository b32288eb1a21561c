"""Coming in and going out."""

from __future__ import annotations

import secrets

from starlette.responses import Response

from sigvault.domain.errors import KeyRefused
from sigvault.web.rendering import render
from sigvault.web.rights import Right
from sigvault.web.visits import Visit

_FIRST = (
    (Right.SEE_CASES, "/queue"),
    (Right.VERIFY, "/verify"),
    (Right.ENROLL, "/enroll"),
    (Right.SEE_AUDIT, "/audit"),
)


_IN_THE_OPEN = (
    "Sign in over https: a key must not travel in the open. Behind a proxy that speaks it, the "
    "server has to trust that proxy: `sigvault serve --trusted-proxy`."
)


def enter(visit: Visit) -> Response:
    """The first page that the visitor may see."""
    return visit.to(next((path for right, path in _FIRST if visit.may(right)), "/sign-in"))


def ask_for_key(visit: Visit) -> Response:
    """The form for a key."""
    return _form(visit, visit.asked("next", "/"))


def sign_in(visit: Visit) -> Response:
    """Recognise a key, and remember whose it is; the secret itself is not kept."""
    following = visit.fields.get("next", "/")
    if not _is_safe(visit):
        return _form(visit, following, _IN_THE_OPEN)
    try:
        key = visit.vault.authenticate(visit.fields.get("key", "").strip())
    except KeyRefused as error:
        return _form(visit, following, str(error))
    visit.session.key = key.id
    visit.session.token = secrets.token_urlsafe(24)
    return visit.to(_own_path(following))


def sign_out(visit: Visit) -> Response:
    """Forget whose browser this is."""
    visit.session.key = ""
    visit.session.blind = False
    visit.session.token = secrets.token_urlsafe(24)
    return visit.to("/sign-in")


def _form(visit: Visit, following: str, problem: str = "") -> Response:
    return render(
        visit,
        "sign_in",
        status=401 if problem else 200,
        following=_own_path(following),
        problem=problem,
    )


def _is_safe(visit: Visit) -> bool:
    """Whether nobody on the way can read what is sent: TLS, or no way at all."""
    return visit.request.url.scheme == "https" or visit.stays_here


def _own_path(address: str) -> str:
    """An address within these pages; the first page where it leads elsewhere."""
    if address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable():
        return address
    return "/"
