"""Which FAISS is installed."""

from __future__ import annotations

import pytest

from sigvault.domain.diagnosis import Severity
from sigvault.indexing import installation
from sigvault.indexing.installation import examine_faiss, faiss_distributions, judge_faiss


def test_the_one_here_is_found_and_searches():
    pytest.importorskip("faiss")
    assert len(faiss_distributions()) == 1
    (found,) = examine_faiss()
    assert found.severity is Severity.FINE
    assert faiss_distributions()[0] in found.message


def test_two_distributions_of_one_module_are_a_problem():
    (found,) = judge_faiss(("faiss-cpu 1.15.1", "faiss-gpu-cuvs 1.15.1"))
    assert found.severity is Severity.PROBLEM
    assert "uninstall all" in found.remedy


def test_none_at_all_is_a_warning_since_torch_searches_too():
    (found,) = judge_faiss(())
    assert found.severity is Severity.WARNING


def test_one_that_can_not_be_imported_is_a_problem(monkeypatch):
    monkeypatch.setattr(installation, "faiss_version", lambda: None)
    (found,) = judge_faiss(("faiss-cpu 1.15.1",))
    assert found.severity is Severity.PROBLEM
    assert "can't be imported" in found.message
