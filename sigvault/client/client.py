"""The client that waits for each answer."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

import httpx

from sigvault.client import calls
from sigvault.client.answers import (
    AuditCheck,
    Enrollment,
    Erasure,
    Generation,
    Identification,
    MultipleVerification,
    Page,
    Reference,
    ReferenceErasure,
    Review,
    SignerDetail,
    SignerSummary,
    Threshold,
    Verification,
)
from sigvault.client.calls import Call, Picture
from sigvault.client.connection import TIMEOUT, connection, with_request_id
from sigvault.client.errors import ClientError
from sigvault.client.reading import conclude
from sigvault.client.retries import Retries
from sigvault.domain.aims import DEFAULT_FPIR, Aim
from sigvault.domain.audit import AuditRecord
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict

_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Client:
    """Asks the service of a vault, and waits; one client serves many threads.

    Errors are those of `sigvault.client.errors`. Reading is repeated when it fails on the way, and
    so is enrolling, under an Idempotency-Key; verifying, identifying, erasing and verdicts are
    not, since each leaves an event of its own in the audit log.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: httpx.Timeout | float = TIMEOUT,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect when the first request is sent.

        Args:
            url: the service's address, such as ``"https://signatures.example"``. A key is sent
                in the clear where it doesn't begin with ``https``.
            key: the secret of a key, ``sv_...``; None where the service needs none.
            timeout: seconds to wait for each step of an answer, or httpx's finer ones.
            retries: how patient to be; the defaults of `Retries` if None.
            transport: how to reach the service otherwise, such as httpx's ASGITransport.

        Raises:
            ValueError: If the address or the key can't be one.
        """
        self._retries = retries or Retries()
        self._http = httpx.Client(transport=transport, **connection(url, key, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def signers(self, *, page_size: int = 100) -> Iterator[SignerSummary]:
        """The signers that are enrolled, by identifier; read page by page.

        Args:
            page_size: how many are asked for at once, 200 at most.
        """
        return self._items(calls.list_signers(page_size))

    def signer(self, signer: str) -> SignerDetail:
        """A signer with the references."""
        return self._ask(calls.show_signer(signer))

    def references(self, signer: str) -> Iterator[Reference]:
        """A signer's references, in order of enrollment."""
        return self._items(calls.list_references(signer))

    def reference_image(self, signer: str, reference: str) -> bytes:
        """The enrolled bytes of a reference, as they were."""
        return self._ask(calls.show_reference_image(signer, reference))

    def enroll(
        self,
        signer: str,
        images: Iterable[Picture],
        *,
        name: str = "",
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Enrollment:
        """Enroll references of a signer, who is added if new; bad images don't stop the others.

        Args:
            signer: the identifier.
            images: genuine signatures, 32 at most: bytes, or paths of files.
            name: the signer's, shown to people.
            force: whether an image that another signer has is enrolled, too.
            idempotency_key: names the request, so that sending it again changes nothing; a
                random one if None. Give one to send the same request again in another process.

        Raises:
            RequestInvalid: If no image could be enrolled; its ``results`` tell of each.
            Conflict: If all are another signer's.
        """
        return self._ask(
            calls.enroll(signer, images, name, force=force, idempotency_key=idempotency_key)
        )

    def enroll_many(
        self,
        items: Iterable[tuple[str, Picture]],
        *,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Enrollment:
        """Enroll references of several signers; bad images don't stop the others.

        Args:
            items: signers, each with an image; 32 at most. A signer may come several times.
            force: whether an image that another signer has is enrolled, too.
            idempotency_key: see `enroll`.

        Raises:
            RequestInvalid: If no image could be enrolled; its ``results`` tell of each.
            Conflict: If all are another signer's.
        """
        return self._ask(calls.enroll_many(items, force=force, idempotency_key=idempotency_key))

    def erase(self, signer: str) -> Erasure:
        """Erase a signer for good, with every picture, probe and personal audit part."""
        return self._ask(calls.erase_signer(signer))

    def erase_reference(self, signer: str, reference: str, *, reason: str) -> ReferenceErasure:
        """Erase one reference for good, with its picture and vectors; the signer keeps the others.

        Args:
            signer: whose it is.
            reference: which, as `references` names it.
            reason: why, for the audit log; 500 characters at most. It is sent in the address,
                which proxies may log: name nobody in it.

        Raises:
            NotFound: If the signer has no such reference.
            Conflict: If it is the signer's only one: enroll another first, or erase the signer.
        """
        return self._ask(calls.erase_reference(signer, reference, reason))

    def verify(
        self,
        signer: str,
        image: Picture,
        *,
        aim: Aim | None = None,
        keep_probe: KeepProbes | None = None,
    ) -> Verification:
        """Decide whether a signature is the claimed signer's; the decision is recorded.

        Args:
            signer: the claimed signer.
            image: the probe.
            aim: an error rate to decide at; by the vault's threshold if None.
            keep_probe: when to keep the probe for people; as the service does if None.
        """
        return self._ask(calls.verify(signer, image, aim, keep_probe))

    def verify_many(
        self,
        claims: Iterable[tuple[str, Picture]],
        *,
        aim: Aim | None = None,
        keep_probe: KeepProbes | None = None,
    ) -> MultipleVerification:
        """Decide about several signatures; one that can't be doesn't stop the others.

        Args:
            claims: claimed signers, each with a probe; 32 at most.
            aim: see `verify`.
            keep_probe: see `verify`.
        """
        return self._ask(calls.verify_many(claims, aim, keep_probe))

    def identify(
        self, image: Picture, *, top: int = 5, fpir: float = DEFAULT_FPIR
    ) -> Identification:
        """Find the signers whose references a signature is most like; the search is recorded.

        Args:
            image: the probe.
            top: candidates at most, 50 at most.
            fpir: the share of searches by strangers that may bring up an accepted candidate.
        """
        return self._ask(calls.identify(image, top, fpir))

    def reviews(
        self,
        state: ReviewState = ReviewState.OPEN,
        *,
        signer: str | None = None,
        page_size: int = 50,
    ) -> Iterator[Review]:
        """The cases in a state, in order of their verifications; read page by page.

        Args:
            state: which.
            signer: only those of this signer.
            page_size: how many are asked for at once, 200 at most.
        """
        return self._items(calls.list_reviews(state, signer, page_size))

    def review(self, event: int) -> Review:
        """The case of a verification, also of one that nobody was asked about."""
        return self._ask(calls.show_review(event))

    def probe_image(self, event: int) -> bytes:
        """The kept bytes of a verification's probe."""
        return self._ask(calls.show_probe(event))

    def decide_review(
        self, event: int, verdict: Verdict, *, reason: str, blind: bool = False
    ) -> AuditRecord:
        """Give a verdict on a verification; the machine's decision stays what it was.

        Args:
            event: the verification's number.
            verdict: what you say.
            reason: why, in your own words.
            blind: whether you said so before you saw the machine's scores.

        Raises:
            Conflict: If you gave a verdict before, or people have decided.
        """
        return self._ask(calls.decide_review(event, verdict, reason, blind=blind))

    def generations(self) -> Iterator[Generation]:
        """All generations, oldest first; exactly one is active."""
        return self._items(calls.list_generations())

    def thresholds(self) -> Iterator[Threshold]:
        """What the active generation decides by, for each number of references."""
        return self._items(calls.list_thresholds())

    def audit_log(
        self, *, signer: str | None = None, page_size: int = 100
    ) -> Iterator[AuditRecord]:
        """The events of the audit log in order, as the hash chain covers them; page by page.

        Args:
            signer: only those that concern this signer; a key of a namespace has to name one.
            page_size: how many are asked for at once, 200 at most.
        """
        return self._items(calls.read_audit_log(signer, page_size))

    def audit_check(self, *, timeout: float = calls.CHECK_SECONDS) -> AuditCheck:
        """Check that the vault is what its log says; reads everything, and takes its time.

        It is not sent again once time ran out; asked for anew, it waits for the check that the
        service goes on with.

        Args:
            timeout: seconds to wait for the answer, instead of the client's own.
        """
        return self._ask(calls.check_audit_log(timeout))

    def metrics(self) -> str:
        """What the service tells Prometheus, as text."""
        return self._ask(calls.show_metrics())

    def is_live(self) -> bool:
        """Whether a service answers, ready or not; asked once."""
        try:
            self._send(calls.live(), 1)
        except ClientError:
            return False
        return True

    def is_ready(self) -> bool:
        """Whether the service can answer at once: model loaded, database there; asked once."""
        try:
            self._send(calls.ready(), 1)
        except ClientError:
            return False
        return True

    def _ask(self, call: Call[_T]) -> _T:
        return self._send(call, self._retries.attempts)

    def _items(self, call: Call[Page[_Item]]) -> Iterator[_Item]:
        while True:
            page = self._ask(call)
            yield from page.items
            if page.next is None:
                return
            call = calls.next_page(call, page.next)

    def _send(self, call: Call[_T], attempts: int) -> _T:
        """Send a call, again where that may help, and read what is answered."""
        retries = replace(self._retries, attempts=attempts)
        arguments, request_id = with_request_id(call.arguments())
        attempt = 1
        while True:
            outcome: httpx.Response | httpx.HTTPError
            try:
                outcome = self._http.request(**arguments)
            except httpx.HTTPError as error:
                outcome = error
            wait = retries.wait(call, outcome, attempt, random.random())  # noqa: S311 - no secret
            if wait is None:
                return conclude(call, outcome, request_id, attempt)
            time.sleep(wait)
            attempt += 1
