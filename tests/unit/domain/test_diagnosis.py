"""Counting what an examination found."""

from __future__ import annotations

from dataclasses import replace

from sigvault.domain.diagnosis import Diagnosis, Finding, Severity, joined

FINE = Finding("disk", Severity.FINE, "room")
STRAYS = Finding("images", Severity.WARNING, "two strays", repairable=True)
LOST = Finding("images", Severity.PROBLEM, "one is missing")


def test_the_worst_decides_whether_it_is_healthy():
    assert joined([[FINE], [STRAYS]]).worst is Severity.WARNING
    assert joined([[FINE], [STRAYS]]).healthy
    assert joined([[LOST, FINE], [STRAYS]]).worst is Severity.PROBLEM
    assert not joined([[LOST, FINE], [STRAYS]]).healthy


def test_what_was_repaired_does_not_count():
    found = joined([[FINE, replace(STRAYS, repaired=True)]])
    assert found.worst is Severity.FINE
    assert found.count(Severity.WARNING) == 0
    assert [each.subject for each in found.findings] == ["disk", "images"]


def test_nothing_found_is_fine():
    assert Diagnosis().worst is Severity.FINE
