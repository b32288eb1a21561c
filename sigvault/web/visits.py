"""One request of one person, as a page's function sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sigvault.domain.identifiers import SignerId
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verdicts import ReviewState
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
        client = self.request.client
        return client is not None and _is_loopback(client.host) and _is_direct(self.request)

    @property
    def stays_here(self) -> bool:
        """Whether what is sent leaves the browser's computer at no point.

        It doesn't where the browser itself knows the server as its own computer, and the request
        comes from there; or from the computer of a trusted proxy, but not through the proxy: so
        does what was sent to a container's port.
        """
        client = self.request.client
        if client is None or not _is_direct(self.request):
            return False
        return self.is_local or _is_within(client.host, self.desk.settings.trusted_proxies)

    def may(self, right: Right) -> bool:
        """Whether the visitor has a right."""
        return self.visitor is not None and self.visitor.may(right)

    def may_decide(self, case: ReviewCase) -> bool:
        """Whether this person may give a verdict on a case now, and so has it still before them."""
        return (
            self.may(Right.DECIDE)
            and case.state is not ReviewState.DECIDED
            and all(verdict.by != self.someone.name for verdict in case.verdicts)
        )

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


def _is_direct(request: Request) -> bool:
    """Whether a request is addressed to the browser's own computer, and says of no proxy.

    A name that is not this computer's own in the address may be another site's that was pointed
    here (DNS rebinding); a forwarded request may come from anywhere.
    """
    host = request.url.hostname
    if host is None:
        return False
    if any(name.startswith(("forwarded", "x-forwarded")) for name in request.headers):
        return False
    return host == "localhost" or _is_loopback(host)


def _is_within(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in ip_network(each) for each in networks)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
