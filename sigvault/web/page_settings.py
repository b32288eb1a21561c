"""How the pages are served."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from ipaddress import ip_network


@dataclass(frozen=True)
class PageSettings:
    """How the pages are served; the defaults suit one process on this computer.

    Attributes:
        secret: signs the session cookies. A fresh one ends all sessions when the process ends,
            so `session_secret` keeps one; several processes that serve the same pages need the
            same one.
        session_hours: how long a sign-in lasts.
        blind: whether every case hides the machine's answer until the person has decided;
            otherwise each person chooses.
        reviewers: how many people have to agree on a case, for the text on the pages; the vault
            itself keeps the rule.
        most_upload: the largest form, in bytes.
        form_seconds: how long a form may take to arrive.
        trusted_proxies: addresses and networks that requests come from which reached the server
            through a proxy, or through the port of a container, on a computer that is trusted.
        open_without_keys: whether the pages are open, as ``local``, to this computer while the
            vault has no keys.
        ahead_after: seconds after a page until the pictures of the case that comes next are drawn.
    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    session_hours: float = 10.0
    blind: bool = False
    reviewers: int = 1
    most_upload: int = 64 * 2**20
    form_seconds: float = 30.0
    trusted_proxies: tuple[str, ...] = ()
    open_without_keys: bool = True
    ahead_after: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If the secret is short, or a number or a proxy's address can't be used.
        """
        if len(self.secret) < 32:
            raise ValueError("a secret of fewer than 32 bytes can be guessed")
        if self.session_hours <= 0 or self.most_upload < 1 or self.reviewers < 1:
            raise ValueError("session_hours, most_upload and reviewers are above 0")
        if self.ahead_after < 0:
            raise ValueError("ahead_after is 0 or above")
        if self.form_seconds <= 0:
            raise ValueError("form_seconds is above 0")
        for each in self.trusted_proxies:
            ip_network(each)
