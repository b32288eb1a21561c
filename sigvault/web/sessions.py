"""What a browser carries from page to page, in one signed cookie."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from sigvault.web.page_settings import PageSettings

_SECURE_NAME = "__Host-sigvault"
"""Browsers take a cookie of this name over TLS alone, and from no other host."""

_PLAIN_NAME = "sigvault"


@dataclass
class Session:
    """One browser's session.

    Attributes:
        token: has to come back with every form, so that no other site can send one.
        key: the identifier of the key that was signed in with; empty without.
        blind: whether the person wants the machine's answers hidden until a verdict.
        notice: said once, on the next page.
        about: the number of the case that the notice is about; 0 for none.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    key: str = ""
    blind: bool = False
    notice: str = ""
    about: int = 0

    def take_notice(self) -> tuple[str, int]:
        """What is to be said on this page; it is not said again."""
        notice, self.notice = (self.notice, self.about), ""
        self.about = 0
        return notice


def load_session(request: Request, settings: PageSettings) -> Session | None:
    """The browser's session; None if it has none, or an old or a forged one."""
    cookie = request.cookies.get(_cookie_name(request), "")
    try:
        content = _serializer(settings).loads(cookie, max_age=_lifetime(settings))
        return Session(**content)
    except (BadData, TypeError):
        return None


def save_session(
    request: Request, response: Response, session: Session, settings: PageSettings
) -> None:
    """Send the session along: never to scripts, nor with what another site sends or embeds."""
    response.set_cookie(
        _cookie_name(request),
        _serializer(settings).dumps(asdict(session)),
        max_age=_lifetime(settings),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        # A link in a message comes from another site, too. With "strict" it would arrive without
        # the cookie, and the new visitor's would take the place of that of whoever is signed in.
        # Forms need the token and are refused from elsewhere, and looking changes nothing.
        samesite="lax",
    )


def _cookie_name(request: Request) -> str:
    return _SECURE_NAME if request.url.scheme == "https" else _PLAIN_NAME


def _lifetime(settings: PageSettings) -> int:
    return int(settings.session_hours * 3600)


def _serializer(settings: PageSettings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret, salt="sigvault.web.sessions")
