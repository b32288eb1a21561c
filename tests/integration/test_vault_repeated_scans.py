"""A signature that was scanned several times is one reference."""

from __future__ import annotations

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.services import enrollment
from sigvault.storage import embeddings
from sigvault.vault import EnrollmentItem, EnrollmentOutcome

ENROLLED, ALREADY = EnrollmentOutcome.ENROLLED, EnrollmentOutcome.ALREADY


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder(copy_limit=0.99)


def scans(signer: int, number: int = 0) -> list[EnrollmentItem]:
    """One signing in three files of other bytes."""
    return [
        EnrollmentItem(str(signer), draw_signature(signer, number, kind=kind))
        for kind in ("PNG", "TIFF", "BMP")
    ]


def test_a_further_scan_is_told_and_not_enrolled(vault):
    (first,) = vault.enroll(scans(1)[:1]).results
    report = vault.enroll([*scans(1)[1:], EnrollmentItem("1", draw_signature(1, 1))], by="clerk")
    assert (report.enrolled, report.already, report.failed) == (1, 2, 0)
    for result in report.results[:2]:
        assert (result.outcome, result.reference) == (ALREADY, first.reference)
        assert result.message.startswith(f"another scan of reference {first.reference}")
        assert "enroll a separate signing" in result.message
        assert (result.error, result.repeated) == (None, True)
    assert not report.results[2].repeated
    status = vault.status()
    assert (status.references, status.vectors) == (2, 2)
    assert len(list((status.location / "images").glob("*/*"))) == 2
    assert vault.audit_check().whole


def test_the_audit_log_says_what_was_left_out_and_why(vault):
    first, again = vault.enroll(scans(1)[:2]).results
    record = vault.audit_log()[-1]
    assert (record.kind, record.public["error"]) == ("enrollment-failed", "RepeatedScan")
    assert record.personal["reference"] == first.reference
    assert record.personal["local"] >= record.personal["limit"] == pytest.approx(0.9925)
    assert record.personal["image"] == again.digest


def test_scans_in_one_batch_and_across_batches_are_told(vault, monkeypatch):
    monkeypatch.setattr(enrollment, "BATCH", 2)
    outcomes = [result.outcome for result in vault.enroll([*scans(1), *scans(2)]).results]
    assert outcomes == [ENROLLED, ALREADY, ALREADY] * 2


def test_another_signers_signature_is_no_further_scan(vault):
    """Whose it is, is another question: identical bytes are told, scans are not looked for."""
    one, two, _ = scans(1)
    assert vault.enroll([one, EnrollmentItem("2", two.source)]).enrolled == 2


def test_a_gallery_is_read_once_a_batch(vault, monkeypatch):
    vault.enroll(EnrollmentItem("1", draw_signature(1, number)) for number in range(2))
    asked = []
    read = embeddings.load_galleries
    monkeypatch.setattr(
        "sigvault.services.repeated_scans.load_galleries",
        lambda *args: asked.append(args) or read(*args),
    )
    items = [EnrollmentItem("1", draw_signature(1, number)) for number in range(2, 8)]
    assert vault.enroll(items).enrolled == 6
    assert len(asked) == 1


def test_an_erased_signers_scan_is_enrolled_again(vault):
    vault.enroll(scans(1)[:1])
    vault.erase("1")
    assert vault.enroll(scans(1)[1:2]).enrolled == 1


def test_without_a_limit_nothing_is_told(settings):
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        assert vault.enroll(scans(1)).enrolled == 3
        assert vault.consistency("1").copies == ()
