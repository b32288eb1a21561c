"""One request of one person, as a page's function sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sigvault.domain.identifiers import SignerId
from sigvault.vault import Vault
from sigvault.web.page_settings import PageSettings
from sigvault.web.pictures import Pictures
from sigvault.web.rights import Right, Visitor
from sigvault.web.seen_cases import SeenCases
from sigvault.web.sessions import Session


@dataclass(frozen=True)
class Upload:
    """A file that came with a form.

    Attributes:
        name: as the browser called it.
        data: its bytes.
    """

    name: str
    data: bytes


@dataclass(frozen=True)
class Desk:
    """What all visits share.

    Attributes:
        vault: the vault.
        settings: how the pages are served.
        pictures: those drawn lately.
        seen: who has seen the machine's answer on which case.
    """

    vault: Vault
    settings: PageSettings
    pictures: Pictures
    seen: SeenCases


@dataclass(frozen=True)
class Visit:
    """One request of one person.

    Attributes:
        desk: what all visits share.
        request: the request.
        session: what the browser carries.
        visitor: who it is; None before signing in.
        fields: what was filled in, for a form.
        uploads: the files that came with it.
    """

    desk: Desk
    request: Request
    session: Session
    visitor: Visitor | None
    fields: Mapping[str, str] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()

    @property
    def vault(self) -> Vault:
        """The vault."""
        return self.desk.vault

    @property
    def someone(self) -> Visitor:
        """Who it is.

        Raises:
            HTTPException: If nobody signed in.
        """
        if self.visitor is None:
            raise HTTPException(401, "sign in first")
        return self.visitor

    @property
    def is_local(self) -> bool:
        """Whether the request comes from this computer, to it, and through nobody else."""
        return _is_local(self.request)

    def may(self, right: Right) -> bool:
        """Whether the visitor has a right."""
        return self.visitor is not None and self.visitor.may(right)

    @property
    def blind(self) -> bool:
        """Whether cases hide the machine's answer until this person has decided."""
        return self.desk.settings.blind or self.session.blind

    def asked(self, name: str, default: str = "") -> str:
        """What the address asks for."""
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        """A whole number in the address, not negative.

        Raises:
            HTTPException: If it is something else.
        """
        text = self.asked(name) or str(default)
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise HTTPException(400, f"{name} is a number, not {text[:40]!r}")
        return int(text)

    def signer(self, text: str) -> SignerId:
        """The vault's identifier of what the visitor calls a signer."""
        return self.someone.inside(text.strip())

    def to(self, address: str, notice: str = "", about: int = 0) -> Response:
        """Send the browser on, with something to be said there."""
        self.session.notice, self.session.about = notice, about
        if "hx-request" in self.request.headers:
            return Response(status_code=204, headers={"HX-Redirect": address})
        return RedirectResponse(address, 303)


def _is_local(request: Request) -> bool:
    """Whether a request comes from this computer, to it, and through nobody else.

    A name that is not this computer's own in the address may be another site's that was pointed
    here (DNS rebinding); a forwarded request may come from anywhere.
    """
    if request.client is None or request.url.hostname is None:
        return False
    if any(name.startswith(("forwarded", "x-forwarded")) for name in request.headers):
        return False
    return _is_loopback(request.client.host) and (
        request.url.hostname == "localhost" or _is_loopback(request.url.hostname)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
