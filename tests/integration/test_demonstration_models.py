"""No vault decides with a model that was fed with leaks on purpose."""

from __future__ import annotations

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.errors import DemonstrationModel, ModelError
from sigvault.domain.identifiers import SignerId
from sigvault.imaging.preprocessing import preprocessing_by_name
from sigvault.vault import EnrollmentItem


@pytest.fixture(params=["raw-1", "stretched-1"])
def raw(request) -> FakeEmbedder:
    return FakeEmbedder("raw", recipe=preprocessing_by_name(request.param))


def test_none_is_made_with_it_and_nothing_is_left(file_settings, raw):
    with pytest.raises(DemonstrationModel, match="scanner in them on purpose"):
        create_vault(file_settings, embedder=raw)
    assert not file_settings.vault.exists()
    assert issubclass(DemonstrationModel, ModelError)


def test_none_is_served_with_it(file_settings, raw):
    first = EnrollmentItem(SignerId("a"), draw_signature(1))
    with create_vault(file_settings, embedder=FakeEmbedder()) as vault:
        vault.enroll([first])
    with open_vault(file_settings, embedder=raw) as vault:
        with pytest.raises(DemonstrationModel):
            vault.verify(SignerId("a"), draw_signature(1))
        with pytest.raises(DemonstrationModel):
            vault.enroll([EnrollmentItem(SignerId("a"), draw_signature(1, 2))])
        assert len(vault.signer(SignerId("a")).references) == 1
