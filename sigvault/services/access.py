"""Keys: issuing, listing, revoking, and recognising a secret.

A secret is ``sv_ID_RANDOM``. The random part has 256 bits of entropy, so a single SHA-256 of it is
stored: a slow hash makes guesses expensive where few are needed, and here 2**255 are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from sigvault.domain.access import SEPARATOR, ApiKey, IssuedKey, Role
from sigvault.domain.audit import KeyCreated, KeyRevoked
from sigvault.domain.errors import ConfigurationError, KeyRefused, UnknownKey
from sigvault.services.resources import Resources
from sigvault.storage import api_keys
from sigvault.storage.audit_log import append
from sigvault.storage.engine import read_session, write_session

_RANDOM_BYTES = 32
_SECRET = re.compile(r"sv_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{0,64}")
_LONGEST_NAME = 200


def create_key(
    resources: Resources,
    name: str,
    roles: frozenset[Role],
    *,
    namespace: str = "",
    expires: timedelta | None = None,
    by: str,
) -> IssuedKey:
    """Issue a key.

    Args:
        resources: the vault's.
        name: who acts with it.
        roles: what it may be used for.
        namespace: the part of the vault that it sees; all of it if empty.
        expires: for how long it is good; None for ever.
        by: who issues it.

    Raises:
        ConfigurationError: If the name, the roles, the namespace or the time can't be used.
    """
    _check(name, roles, namespace, expires)
    random = secrets.token_urlsafe(_RANDOM_BYTES)
    at = resources.clock()
    key = ApiKey(
        id=secrets.token_hex(8),
        name=name,
        roles=roles,
        namespace=namespace,
        created_at=at,
        created_by=by,
        expires_at=None if expires is None else at + expires,
        revoked_at=None,
    )
    with write_session(resources.engine) as session:
        api_keys.add_key(session, key, _digest(random))
        append(session, KeyCreated(key), at)
    return IssuedKey(f"sv_{key.id}_{random}", key)


def list_keys(resources: Resources) -> tuple[ApiKey, ...]:
    """All keys, oldest first, with those that are refused."""
    with read_session(resources.engine) as session:
        return tuple(api_keys.list_keys(session))


def revoke_key(resources: Resources, key: str, *, by: str) -> ApiKey:
    """Refuse a key from now on; once revoked, it stays so.

    Returns:
        The key as it is now.

    Raises:
        UnknownKey: If there is none.
    """
    with write_session(resources.engine) as session:
        found = api_keys.find_key(session, key)
        if found is None:
            raise UnknownKey(f"there is no key {key}: see `sigvault key list`")
        if found[0].revoked_at is None:
            at = resources.clock()
            api_keys.mark_revoked(session, key, at)
            append(session, KeyRevoked(key, by), at)
            found = api_keys.find_key(session, key) or found
    return found[0]


def authenticate(resources: Resources, secret: str) -> ApiKey:
    """The key that a secret belongs to.

    Raises:
        KeyRefused: If it is wrong, expired or revoked; a wrong one learns nothing more.
    """
    parts = _SECRET.fullmatch(secret)
    if parts is None:
        raise KeyRefused("this is no key: send one as `Authorization: Bearer sv_…`")
    with read_session(resources.engine) as session:
        found = api_keys.find_key(session, parts[1])
    # An unknown key takes as long as a known one with a wrong secret.
    expected = _digest("") if found is None else found[1]
    same = hmac.compare_digest(_digest(parts[2]), expected)
    if found is None or not same:
        raise KeyRefused("the key is unknown: ask for one made by `sigvault key create`")
    key = found[0]
    if not key.is_valid(resources.clock()):
        raise KeyRefused(
            f"the key {key.id} has {'expired' if key.revoked_at is None else 'been revoked'}: ask "
            "for a new one, made by `sigvault key create`"
        )
    return key


def _digest(random: str) -> str:
    return hashlib.sha256(random.encode()).hexdigest()


def _check(name: str, roles: frozenset[Role], namespace: str, expires: timedelta | None) -> None:
    if not name or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise ConfigurationError(f"{name!r} can't name a key: say who acts with it, such as anna")
    if not roles:
        raise ConfigurationError(
            f"a key without a role opens nothing: give some of {', '.join(Role)}"
        )
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"{namespace!r} can't be a namespace: use up to 64 letters, digits, dots, hyphens and "
            f"underscores; {SEPARATOR} follows by itself"
        )
    if expires is not None and expires <= timedelta(0):
        raise ConfigurationError("a key has to be good for some time: give more than zero days")
