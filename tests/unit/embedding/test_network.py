"""The network's shapes, norms and arguments."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.errors import CheckpointMismatch, ConfigurationError, WeightsUnavailable
from sigvault.embedding import network as network_module
from sigvault.embedding.architecture import Architecture, Backbone, Head
from sigvault.embedding.network import EmbeddingNetwork

SMALL = {"height": 32, "width": 48, "dimension": 8, "local_channels": 4}


def _ink(count: int, height: int = 32, width: int = 48) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(count, 1, height, width, generator=generator) > 0.8).float()


@pytest.mark.parametrize("head", Head)
@pytest.mark.parametrize("extra_widths", [(), (16, 8)])
def test_output_is_unit_norm_and_of_the_stated_shape(head: Head, extra_widths: tuple[int, ...]):
    network = EmbeddingNetwork(Architecture(**SMALL, head=head, extra_widths=extra_widths)).eval()
    ink = _ink(3)
    ink[2] = 0.0
    with torch.inference_mode():
        output = network(ink)
    assert output.vector.shape == (3, 8)
    # A head that ends in a ReLU may give nothing at all for an image: then there is no direction.
    norms = output.vector.norm(dim=1)
    assert torch.allclose(norms[:2], torch.ones(2), atol=1e-5)
    assert output.local.shape == (3, 2, 3, 4)
    assert output.inked[:2].all()
    assert not output.inked[2].any()
    assert torch.allclose(output.local[:2].norm(dim=-1), torch.ones(2, 2, 3), atol=1e-5)
    assert (output.local[2] == 0).all()


def test_the_one_orthant_head_is_confined_and_the_default_is_not():
    torch.manual_seed(0)
    confined = EmbeddingNetwork(Architecture(**SMALL, head=Head.ONE_ORTHANT)).eval()
    free = EmbeddingNetwork(Architecture(**SMALL)).eval()
    with torch.inference_mode():
        assert (confined(_ink(4)).vector >= 0).all()
        assert (free(_ink(4)).vector < 0).any()


@pytest.mark.parametrize("backbone", Backbone)
def test_every_backbone_builds(backbone: Backbone):
    with torch.device("meta"):
        network = EmbeddingNetwork(Architecture(backbone=backbone))
    assert network.conv1.weight.shape == (64, 1, 7, 7)
    assert network.conv1.bias is None


def test_grey_kernel_answers_a_grey_picture_as_the_colour_one_did():
    colour = torch.nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
    grey = network_module._grey_convolution(colour)
    picture = torch.rand(1, 1, 20, 20)
    assert torch.allclose(grey(picture), colour(picture.expand(1, 3, 20, 20)), atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimension": 0},
        {"dropout": 1.5},
        {"extra_widths": (0,)},
        {"backbone": "vgg16"},
        {"head": "mlp"},
        {"pool_rows": 0},
        {"height": 8},
        {"local_channels": 0},
        {"local_stage": 4},
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, object]):
    with pytest.raises(ConfigurationError, match=next(iter(wrong)).split("_")[0]):
        Architecture(**wrong)  # type: ignore[arg-type]


def test_a_card_with_an_unknown_argument_is_refused():
    with pytest.raises(CheckpointMismatch, match="depth"):
        Architecture.from_dict({**Architecture().to_dict(), "depth": 3})
    with pytest.raises(CheckpointMismatch, match="vgg"):
        Architecture.from_dict({**Architecture().to_dict(), "backbone": "vgg"})


def test_a_card_from_before_stages_could_be_chosen_means_the_third():
    content = Architecture().to_dict()
    del content["local_stage"]
    assert Architecture.from_dict(content).local_stage == 3


def test_the_second_stage_gives_a_grid_twice_as_fine_and_the_same_vectors():
    coarse = EmbeddingNetwork(Architecture(**SMALL)).eval()
    fine = EmbeddingNetwork(Architecture(**SMALL, local_stage=2)).eval()
    shared = {k: v for k, v in coarse.state_dict().items() if not k.startswith("local_")}
    fine.load_state_dict(shared, strict=False)
    ink = _ink(2)
    ink[:, :, :16] = 0.0
    with torch.inference_mode():
        one, other = coarse(ink), fine(ink)
    assert torch.equal(one.vector, other.vector)
    assert one.local.shape == (2, 2, 3, 4)
    assert other.local.shape == (2, 4, 6, 4)
    assert not other.inked[:, :2].any()
    assert other.inked[:, 2:].all()


@given(st.integers(1, 4), st.integers(1, 512), st.sampled_from(Backbone))
@settings(max_examples=20)
def test_architecture_round_trips(grid: int, dimension: int, backbone: Backbone):
    architecture = Architecture(backbone=backbone, dimension=dimension, pool_rows=grid)
    assert Architecture.from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize("shape", [(1, 3, 32, 48), (1, 1, 31, 48), (1, 32, 48)])
def test_ink_of_another_shape_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ConfigurationError, match="takes ink of"):
        EmbeddingNetwork(Architecture(**SMALL))(torch.zeros(shape))


def test_unknown_weights_name_the_known_ones():
    with pytest.raises(ConfigurationError, match="IMAGENET1K_V1"):
        EmbeddingNetwork(Architecture(), weights="IMAGENET22K")


def test_weights_that_cannot_be_had_are_an_error_and_no_random_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path
):
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(WeightsUnavailable, match=r"start\.checkpoint"):
        EmbeddingNetwork(Architecture(), weights="IMAGENET1K_V1")


@pytest.mark.parametrize("stage", [2, 3])
def test_local_features_alone_are_those_of_the_whole_pass(stage: int):
    torch.manual_seed(0)
    network = EmbeddingNetwork(Architecture(**SMALL, local_stage=stage)).eval()
    with torch.inference_mode():
        whole = network(_ink(3))
        local, inked = network.local_features(_ink(3))
    assert torch.equal(local, whole.local)
    assert torch.equal(inked, whole.inked)
    with pytest.raises(ConfigurationError, match="the network takes ink"):
        network.local_features(_ink(1, height=16))


@pytest.mark.parametrize("turn", [0.0, 45.5, -90.0, float("nan")])
def test_turns_that_no_hand_makes_are_refused(turn: float):
    with pytest.raises(ConfigurationError, match="local_turns holds"):
        Architecture(local_turns=(12.0, turn))


def test_turns_are_kept_and_older_cards_have_none():
    turned = Architecture(**SMALL, local_turns=(-12.0, 12.0))
    assert Architecture.from_dict(turned.to_dict()) == turned
    older = Architecture(**SMALL).to_dict()
    del older["local_turns"]
    assert Architecture.from_dict(older) == Architecture(**SMALL)
