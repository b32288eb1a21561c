"""Where a run computes, and what is said where that can't be."""

from __future__ import annotations

import pytest
import torch
from lightning_fabric.strategies.ddp import DDPStrategy

from sigvault.domain.errors import ConfigurationError
from sigvault.training import devices
from sigvault.training.devices import Device, any_process, gather_batch, open_fabric, own_places
from sigvault.training.equipment import is_first_process


@pytest.fixture
def _no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_cuda")
@pytest.mark.parametrize("device", [Device.AUTO, Device.CPU])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_without_cuda_it_is_the_cpu_in_one_process(device: Device, precision: str):
    fabric = open_fabric(precision, device)
    assert fabric.device.type == "cpu"
    assert (fabric.world_size, fabric.global_rank, fabric.is_global_zero) == (1, 0, True)
    assert fabric.strategy.precision.precision == "32-true"


@pytest.mark.usefixtures("_no_cuda")
def test_a_cuda_device_that_is_not_there_is_said_so():
    with pytest.raises(ConfigurationError, match=r"no CUDA device.*--device cpu"):
        open_fabric("float32", Device.CUDA)


def test_a_cpu_computes_plainly_even_beside_a_cuda_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert open_fabric("float16", Device.CPU).strategy.precision.precision == "32-true"


@pytest.mark.usefixtures("_no_cuda")
def test_a_cpu_with_the_instructions_computes_in_bfloat16(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    fabric = open_fabric("float16", Device.AUTO, "bfloat16")
    assert fabric.strategy.precision.precision == "bf16-mixed"


@pytest.mark.usefixtures("_no_cuda")
@pytest.mark.parametrize("found", [{}, {"amx_bf16": False}])
def test_a_cpu_without_them_is_said_so(found: dict[str, bool], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    with pytest.raises(ConfigurationError, match=r"no AMX.*cpu_precision to float32"):
        open_fabric("bfloat16", Device.CPU, "bfloat16")


@pytest.mark.usefixtures("_no_cuda")
def test_processes_are_those_that_torchrun_started(monkeypatch: pytest.MonkeyPatch):
    asked: dict[str, object] = {}

    class Recorder:
        def __init__(self, **arguments: object) -> None:
            asked.update(arguments)

        def launch(self) -> None:
            asked["launched"] = True

    monkeypatch.setattr(devices, "Fabric", Recorder)
    monkeypatch.setenv("WORLD_SIZE", "6")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    open_fabric("float32", Device.AUTO)
    assert (asked["accelerator"], asked["devices"], asked["num_nodes"]) == ("cpu", 2, 3)
    assert isinstance(asked["strategy"], DDPStrategy)
    assert asked["launched"]


def test_the_first_process_speaks(monkeypatch: pytest.MonkeyPatch):
    assert is_first_process()
    monkeypatch.setenv("RANK", "0")
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()


@pytest.mark.parametrize(("count", "processes"), [(1, 1), (7, 1), (7, 2), (8, 3), (2, 3)])
def test_every_place_of_a_batch_is_dealt_once(count: int, processes: int):
    dealt = [own_places(count, rank, processes).tolist() for rank in range(processes)]
    assert sorted(place for own in dealt for place in own) == list(range(count))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.usefixtures("_no_cuda")
def test_one_process_asks_nobody():
    fabric = open_fabric("float32", Device.CPU)
    assert any_process(flag=True, fabric=fabric)
    assert not any_process(flag=False, fabric=fabric)
    part = torch.ones(3, 2)
    assert gather_batch(part, 3, 1) is part


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_auto_takes_cuda_where_there_is_one(precision: str):
    fabric = open_fabric(precision, Device.AUTO)
    assert fabric.device.type == "cuda"
    assert open_fabric("float32", Device.CPU).device.type == "cpu"
