from __future__ import annotations

import importlib.util

import faiss
import pytest
from search_stand_ins import GpuLike

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import faiss_index, hardware
from sigvault.indexing.hardware import detect_hardware, free_memory, usable_gpus


def seen_by_faiss(monkeypatch, count, *, broken=""):
    """Make FAISS see so many GPUs, of which the first may be broken."""

    class Place(GpuLike):
        def __init__(self, number):
            assert number == 0

        def flat(self, dimension, *, half):
            if broken:
                raise RuntimeError(broken)
            return super().flat(dimension, half=half)

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: count, raising=False)
    monkeypatch.setattr(hardware, "Gpu", Place)
    monkeypatch.setattr(hardware, "torch_devices", lambda: ((10, 99), (20, 99), (30, 99)))


def test_unknown_devices_are_refused():
    with pytest.raises(IndexFailed, match="no device tpu"):
        usable_gpus("tpu")


def test_no_gpu_means_the_cpu_unless_one_was_asked_for(monkeypatch, caplog):
    seen_by_faiss(monkeypatch, 0)
    assert usable_gpus("auto") == ()
    assert "WARNING" not in caplog.text
    with pytest.raises(IndexFailed, match="sees no GPU"):
        usable_gpus("cuda")


def test_a_gpu_that_does_not_work_means_the_cpu_with_a_warning(monkeypatch, caplog):
    seen_by_faiss(monkeypatch, 1, broken="no kernel image")
    assert usable_gpus("auto") == ()
    assert "WARNING" in caplog.text
    assert "no kernel image" in caplog.text
    with pytest.raises(IndexFailed, match="no kernel image"):
        usable_gpus("cuda")


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpus_that_both_libraries_see_are_used(monkeypatch, device):
    seen_by_faiss(monkeypatch, 2)
    assert usable_gpus(device) == (10, 20)
    assert usable_gpus("cpu") == ()


def test_without_faiss_there_are_no_gpus(monkeypatch, caplog):
    def missing():
        raise IndexFailed("FAISS can't be imported")

    monkeypatch.setattr(faiss_index, "_faiss", missing)
    assert usable_gpus("auto") == ()
    assert "WARNING" not in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MemTotal:  900 kB\nMemAvailable:   512 kB\n", 512 * 1024),
        ("MemTotal:  900 kB\n", None),
        (None, None),
        ("MemAvailable: unknown\n", None),
    ],
)
def test_free_memory_is_what_the_system_says(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    assert free_memory(tmp_path / "meminfo") == expected


def test_this_computer_has_cores_and_the_libraries_that_are_installed(monkeypatch):
    found = detect_hardware("cpu")
    assert found.cores >= 1
    assert found.gpus == ()
    assert found.faiss
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not detect_hardware("cpu").faiss


@pytest.mark.gpu
def test_a_gpu_is_found_with_its_memory():
    free = usable_gpus("cuda")
    assert free
    assert min(free) > 0
