"""What the review page asks of a vault: pictures, and whether references belong together."""

from __future__ import annotations

import pytest

from fakes import draw_blank, draw_signature
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import UnknownReference, UnknownSigner, UnsupportedImage
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.vault import EnrollmentItem


def test_a_reference_is_shown_as_it_was_enrolled(enrolled):
    for place, reference in enumerate(enrolled.signer(SignerId("2")).references):
        picture = enrolled.reference_picture(reference.id)
        assert picture.image.digest == reference.digest
        assert picture.image.pixels.shape == (200, 400)
        assert picture.prepared.box is not None
        again = enrolled.picture(draw_signature(2, place))
        assert (again.prepared.ink.ink == picture.prepared.ink.ink).all()


def test_what_is_no_signature_is_shown_with_its_findings(enrolled):
    findings = enrolled.picture(draw_blank()).prepared.findings
    assert [finding.name for finding in findings if finding.severe] == ["blank"]


def test_what_is_not_there_is_said(enrolled):
    with pytest.raises(UnknownReference):
        enrolled.reference_picture(ReferenceId("0" * 32))
    with pytest.raises(UnsupportedImage):
        enrolled.picture(b"no picture")
    with pytest.raises(UnknownSigner):
        enrolled.consistency(SignerId("nobody"))


def test_a_reference_that_differs_is_found(enrolled):
    signer = SignerId("1")
    assert enrolled.consistency(signer).outliers == ()
    enrolled.enroll([EnrollmentItem(signer, draw_signature(77), "stranger")])
    found = enrolled.consistency(signer)
    newest = enrolled.signer(signer).references[-1].id
    assert found.outliers == (newest,)
    assert found.references[-1].decision is Decision.REFUSE
    assert found.threshold is not None
    assert found.threshold.references == 3


def test_consistency_needs_two_references(vault):
    vault.enroll([EnrollmentItem(SignerId("one"), draw_signature(1))])
    assert vault.consistency(SignerId("one")).references == ()
