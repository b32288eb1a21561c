"""Who asks: the key behind a request, what it may do, and what it calls the signers."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from sigvault.api.errors import FOREIGN_PAGE, NO_KEY, NOT_ALLOWED, PASSED_ON, Naming, Problem
from sigvault.domain.access import ApiKey, Role, inside, outside, prefix_of
from sigvault.domain.errors import KeyRefused
from sigvault.domain.identifiers import SignerId
from sigvault.vault import Vault

LOCAL = "local"
"""Who asks where no key is needed, which is on the loopback alone."""

_TRUSTED_SECONDS = 1.0
"""For how long what was read of the keys is believed: so much later a revoked one is refused, or
one asked for where the first was made."""

_REMEMBERED = 1024
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PASSED_ON = ("forwarded", "x-forwarded")
"""How the headers begin by which a proxy says for whom it asks."""


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
            open_to_loopback: whether no key is needed as long as the vault has none; for a
                service that only this computer reaches.
        """
        self._vault = vault
        self._open = open_to_loopback
        self._seen_keyless = -math.inf
        self._known: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()

    def recall(self, request: Request) -> Caller | None:
        """Who asks, if it can be told without looking a key up.

        Raises:
            Problem: If no key was sent and one is needed, or the request comes from elsewhere.
        """
        secret = _secret(request)
        if secret is None:
            if not self._open:
                raise _no_key()
            _require_own_page(request)
            fresh = time.monotonic() - self._seen_keyless <= _TRUSTED_SECONDS
            return EVERYBODY if fresh else None
        found = self._known.get(_digest(secret))
        if found is None or time.monotonic() - found[0] > _TRUSTED_SECONDS:
            return None
        return _caller(found[1])

    def look_up(self, request: Request) -> Caller:
        """Who asks, by the vault; blocks.

        Raises:
            KeyRefused: If the key opens nothing.
            Problem: If no key was sent, and the vault has some.
        """
        secret = _secret(request)
        if secret is None:
            return self._require_no_keys()
        key = self._vault.authenticate(secret)
        self._known[_digest(secret)] = (time.monotonic(), key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return _caller(key)

    def _require_no_keys(self) -> Caller:
        """Everybody, while nobody was ever given a key.

        Raises:
            Problem: If somebody was, even if it is refused by now.
        """
        asked_at = time.monotonic()
        if self._vault.keys():
            self._open = False  # for good: keys are revoked, but never removed
            raise _no_key()
        self._seen_keyless = asked_at
        return EVERYBODY


def _no_key() -> Problem:
    return Problem(
        NO_KEY, "no key was sent with the request", headers={"WWW-Authenticate": "Bearer"}
    )


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
    """Where no key is needed, only this computer may ask, for itself.

    A page of somebody else's in a browser here must not, neither directly (``Origin``) nor by a
    name of its own that leads here (``Host``); nor a proxy here, for whoever reaches that.

    Raises:
        Problem: If one does.
    """
    if any(name.startswith(_PASSED_ON) for name in request.headers):
        raise Problem(PASSED_ON, "without keys the service answers to no proxy")
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if host not in _LOOPBACK or foreign:
        raise Problem(FOREIGN_PAGE, "without keys the service answers to its own address alone")
