"""What torch and OpenMP are found to be like."""

from __future__ import annotations

import pytest
import torch

from sigvault.domain.diagnosis import Severity
from sigvault.embedding import installation
from sigvault.embedding.installation import examine_openmp, examine_torch, runs_on


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 6), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((10, 0), ["sm_90"], False),
        ((10, 0), ["sm_90", "compute_90"], True),
        ((7, 0), ["compute_75"], False),
        ((12, 1), ["sm_120"], True),
        ((9, 0), ["sm_90a"], True),
        ((9, 0), [], False),
    ],
)
def test_code_runs_on_gpus_that_it_was_built_for(capability, architectures, runs):
    assert runs_on(*capability, architectures) is runs


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_driver_the_cpu_is_fine(monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "DRIVER", tmp_path / "none")
    (found,) = examine_torch()
    assert found.severity is Severity.FINE
    assert torch.__version__ in found.message
    assert "CPU" in found.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    ("cuda", "words"), [("13.0", "update the driver"), (None, "install a CUDA build")]
)
def test_a_driver_whose_gpu_torch_can_not_use_is_a_warning(monkeypatch, tmp_path, cuda, words):
    driver = tmp_path / "version"
    driver.write_text("NVRM version: 470")
    monkeypatch.setattr(installation, "DRIVER", driver)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    (found,) = examine_torch()
    assert found.severity is Severity.WARNING
    assert words in found.remedy


@pytest.mark.gpu
def test_a_gpu_is_named():
    (found,) = examine_torch()
    assert found.severity is Severity.FINE
    assert torch.cuda.get_device_name(0) in found.message


def loaded(*names: str):
    return lambda: (
        [{"user_api": "openmp", "internal_api": name, "num_threads": 2} for name in names]
        + [{"user_api": "blas", "internal_api": "openblas", "num_threads": 2}]
    )


@pytest.mark.parametrize(
    ("names", "policy", "severity"),
    [
        (("openmp",), "", Severity.FINE),
        ((), "", Severity.FINE),
        (("openmp", "openmp"), "", Severity.NOTE),
        (("openmp", "openmp"), "passive", Severity.FINE),
        (("libomp", "libiomp"), "passive", Severity.PROBLEM),
    ],
)
def test_openmp_runtimes_that_get_in_each_others_way_are_told(monkeypatch, names, policy, severity):
    monkeypatch.setattr("threadpoolctl.threadpool_info", loaded(*names))
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    (found,) = examine_openmp()
    assert found.severity is severity
