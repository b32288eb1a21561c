"""Work that one process at a time may do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sigvault.domain.errors import StorageFailed, VaultBusy
from sigvault.storage.job_lock import holder, is_held, job_lock


def test_who_comes_second_is_told_who_is_at_it(tmp_path):
    path = tmp_path / "job.lock"
    with job_lock(path, "a re-index"):
        assert is_held(path)
        with (
            pytest.raises(VaultBusy, match=r"a re-index \(process \d+ on"),
            job_lock(path, "other"),
        ):
            pass
        assert holder(path).startswith("a re-index")
    assert not is_held(path)
    assert holder(path) == ""
    with job_lock(path, "other"):
        assert holder(path).startswith("other")


def test_a_lock_that_was_never_taken_is_free(tmp_path):
    assert not is_held(tmp_path / "job.lock")


def test_a_killed_process_lets_go_of_it(tmp_path):
    path = tmp_path / "job.lock"
    program = (
        "import os, pathlib, signal, sys\n"
        "from sigvault.storage.job_lock import job_lock\n"
        "with job_lock(pathlib.Path(sys.argv[1]), 'a re-index'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -9
    assert holder(path).startswith("a re-index")  # the note is left behind, the lock is not
    assert not is_held(path)
    with job_lock(path, "another"):
        assert holder(path).startswith("another")


def test_it_is_free_again_after_an_error(tmp_path):
    path = tmp_path / "job.lock"
    with pytest.raises(RuntimeError), job_lock(path, "a job"):
        raise RuntimeError
    assert not is_held(path)


def test_a_place_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed), job_lock(tmp_path / "file" / "job.lock", "a job"):
        pass


def test_a_damaged_note_names_nobody(tmp_path):
    path = tmp_path / "job.lock"
    path.with_suffix(".json").write_text("{")
    assert holder(path) == ""


def test_a_note_that_can_not_be_written_is_told_and_lets_go_of_the_lock(tmp_path):
    path = tmp_path / "job.lock"
    path.with_suffix(".json").mkdir()
    with pytest.raises(StorageFailed, match=r"job\.json"), job_lock(path, "a job"):
        pass
    assert not is_held(path)
