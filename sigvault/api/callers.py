"""Who asks: the key behind a request, what it may do, and what it calls the signers."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from sigvault.api.errors import FOREIGN_PAGE, NO_KEY, NOT_ALLOWED, Naming, Problem
from sigvault.domain.access import ApiKey, Role, inside, outside, prefix_of
from sigvault.domain.errors import KeyRefused
from sigvault.domain.identifiers import SignerId
from sigvault.vault import Vault

LOCAL = "local"
"""Who asks where no key is needed, which is on the loopback alone."""

_TRUSTED_SECONDS = 1.0
"""For how long a key that was read is believed: so much later a revoked one is refused at most."""

_REMEMBERED = 1024
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        id: the key's identifier, or ``"local"``.
        name: who acts, for the audit log.
        roles: what the caller may do.
        namespace: the part of the vault that the caller sees; all of it if empty.
    """

    id: str
    name: str
    roles: frozenset[Role]
    namespace: str

    def inside(self, signer: str) -> SignerId:
        """The vault's identifier of what the caller calls this."""
        return inside(self.namespace, signer)

    def outside(self, signer: SignerId) -> str:
        """What the caller calls a signer."""
        return outside(self.namespace, signer)

    def sees(self, signer: SignerId) -> bool:
        """Whether a signer lies in the caller's namespace."""
        return signer.startswith(prefix_of(self.namespace))

    @property
    def naming(self) -> Naming:
        """How to tell errors in the caller's words."""
        prefix = prefix_of(self.namespace)
        return Naming(((prefix, ""),) if prefix else ())

    def require(self, roles: frozenset[Role]) -> None:
        """Make sure that the caller has one of these roles.

        Raises:
            Problem: If not.
        """
        if not self.roles & roles:
            wanted = ", ".join(sorted(roles))
            raise Problem(NOT_ALLOWED, f"this takes one of the roles {wanted}")


EVERYBODY = Caller(LOCAL, LOCAL, frozenset(Role), "")


class Gate:
    """Recognises callers; secrets that were right a moment ago are not looked up again."""

    def __init__(self, vault: Vault, *, open_to_loopback: bool) -> None:
        """Take the vault with the keys.

        Args:
            vault: the vault.
            open_to_loopback: whether no key is needed; for a service that only this computer
                reaches.
        """
        self._vault = vault
        self._open = open_to_loopback
        self._known: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()

    def recall(self, request: Request) -> Caller | None:
        """Who asks, if it can be told without looking a key up.

        Raises:
            Problem: If no key was sent and one is needed, or a page of somebody else's asks.
        """
        secret = _secret(request)
        if secret is None:
            if self._open:
                _require_own_page(request)
                return EVERYBODY
            raise Problem(
                NO_KEY, "no key was sent with the request", headers={"WWW-Authenticate": "Bearer"}
            )
        found = self._known.get(_digest(secret))
        if found is None or time.monotonic() - found[0] > _TRUSTED_SECONDS:
            return None
        return _caller(found[1])

    def look_up(self, request: Request) -> Caller:
        """Who asks, by the vault; blocks.

        Raises:
            KeyRefused: If the key opens nothing.
        """
        secret = _secret(request) or ""
        key = self._vault.authenticate(secret)
        self._known[_digest(secret)] = (time.monotonic(), key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return _caller(key)


def _caller(key: ApiKey) -> Caller:
    return Caller(key.id, key.name, key.roles, key.namespace)


def _secret(request: Request) -> str | None:
    """The bearer token; None without any.

    Raises:
        KeyRefused: If another kind of credentials was sent.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer":
        raise KeyRefused("the credentials are no bearer token: send `Authorization: Bearer sv_…`")
    return secret.strip()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _require_own_page(request: Request) -> None:
    """Where no key is needed, a page of somebody else's in a browser here must not ask.

    Neither directly (``Origin``) nor by a name of its own that leads here (``Host``).

    Raises:
        Problem: If one does.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if host not in _LOOPBACK or foreign:
        raise Problem(FOREIGN_PAGE, "without keys the service answers to its own address alone")
