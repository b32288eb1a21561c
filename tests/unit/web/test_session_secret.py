"""The secret of the sessions lies in a file for its owner alone."""

from __future__ import annotations

import pytest

from sigvault.domain.errors import ConfigurationError
from sigvault.web.session_secret import kept_secret


def test_a_secret_is_made_once_and_kept(tmp_path):
    path = tmp_path / "session-secret"
    secret = kept_secret(path)
    assert len(secret) >= 32
    assert kept_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("content", "mode"), [(b"x" * 64, 0o640), (b"short", 0o600)])
def test_one_that_others_may_read_or_guess_is_replaced(tmp_path, content, mode):
    path = tmp_path / "session-secret"
    path.write_bytes(content)
    path.chmod(mode)
    assert kept_secret(path) != content
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_secret(path) == path.read_bytes()


def test_where_it_can_not_be_kept_that_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be kept"):
        kept_secret(tmp_path / "missing" / "session-secret")
