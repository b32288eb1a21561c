from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fakes import draw_signature
from sigvault.domain.errors import UnknownSigner
from sigvault.vault import EnrollmentItem


def test_everything_at_once_from_several_threads(enrolled):
    """Each thread does all there is to do; the outcome is that of doing it one after the other."""

    def work(number: int) -> list[str]:
        signer = f"thread-{number}"
        seen = []
        enrolled.enroll([EnrollmentItem(signer, draw_signature(100 + number))])
        seen.append(enrolled.verify(signer, draw_signature(100 + number, 9)).evidence.decision)
        seen.append(enrolled.identify(draw_signature(number, 9), top=1).candidates[0].signer)
        if number % 2:
            enrolled.erase(signer)
        return seen

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert results == [["accept", str(number)] for number in range(4)]
    assert [each.signer for each in enrolled.signers() if "thread" in each.signer] == [
        "thread-0",
        "thread-2",
    ]
    found = enrolled.identify(draw_signature(101, 9), top=10)
    assert len(found.candidates) == 7
    check = enrolled.audit_check()
    assert (check.whole, check.images_missing) == (True, ())


def test_one_signer_erased_and_enrolled_by_several_threads(vault):
    def enroll(number: int) -> None:
        vault.enroll([EnrollmentItem("1", draw_signature(1, number))])

    def erase(_: int) -> None:
        try:
            vault.erase("1")
        except UnknownSigner:
            return

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit((enroll, erase)[n % 2], n % 3) for n in range(12)]:
            future.result()
    check = vault.audit_check()
    assert (check.whole, check.images_missing) == (True, ())
