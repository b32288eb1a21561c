"""Which FAISS is installed."""

from __future__ import annotations

import pytest

from sigvault.domain.diagnosis import Severity
from sigvault.indexing import installation
from sigvault.indexing.choice import IndexKind, SearchOptions
from sigvault.indexing.hardware import Hardware
from sigvault.indexing.installation import (
    examine_choice,
    examine_faiss,
    faiss_distributions,
    judge_faiss,
)


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


def test_the_choice_of_index_is_told_with_its_reason_and_memory():
    found = examine_choice(1000, 256, SearchOptions("cpu"))
    assert found.severity is Severity.FINE
    assert "1,000 vectors with exact on the CPU" in found.message


def test_an_index_that_is_asked_for_is_told():
    found = examine_choice(1000, 256, SearchOptions("cpu", kind=IndexKind.INVERTED))
    assert "1,000 vectors with ivf on the CPU: it was asked for" in found.message


def test_an_index_that_memory_does_not_hold_is_a_warning(monkeypatch):
    poor = Hardware(cores=2, memory=10**6, gpus=(), faiss=True)
    monkeypatch.setattr(installation, "detect_hardware", lambda _: poor)
    found = examine_choice(10**6, 256, SearchOptions("cpu"))
    assert found.severity is Severity.WARNING
    assert "free memory" in found.remedy


def test_a_device_that_is_not_there_is_a_problem():
    found = examine_choice(10, 256, SearchOptions("tpu"))
    assert found.severity is Severity.PROBLEM
