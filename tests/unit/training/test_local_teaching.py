"""The projection of local features, taught by the local score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sigvault.domain.errors import TrainingDiverged
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.config import Batch
from sigvault.training.local_teaching import teach_local_projection
from sigvault.training.losses.local import local_scores
from sigvault.training.pairs import pair_kinds
from sigvault.training.sampling import BatchRows, TrainingGroup, draw_batches

SMALL = Architecture(height=32, width=48, dimension=8, local_channels=6, local_stage=2)
SIGNERS, GENUINE, FORGED = 6, 4, 3


def draw_signers() -> torch.Tensor:
    """Ink (pictures, 1, 32, 48): a signer's genuine ones first, then forgeries of them."""
    generator = torch.Generator().manual_seed(1)
    pictures = []
    for _ in range(SIGNERS):
        own = (torch.rand(32, 48, generator=generator) > 0.7).float()
        other = (torch.rand(32, 48, generator=generator) > 0.7).float()
        for number in range(GENUINE + FORGED):
            picture = own.clone()
            if number >= GENUINE:
                picture[:, ::2] = other[:, ::2]
            changed = torch.rand(32, 48, generator=generator) > 0.9
            picture[changed] = 1.0 - picture[changed]
            pictures.append(picture)
    return torch.stack(pictures)[:, None]


INK = draw_signers()
GROUPS = tuple(
    TrainingGroup(*np.split(np.arange(first, first + GENUINE + FORGED), [GENUINE]))
    for first in range(0, len(INK), GENUINE + FORGED)
)


def pictures(rows: np.ndarray) -> torch.Tensor:
    return INK[torch.from_numpy(rows)]


def batches(count: int) -> list[BatchRows]:
    return list(draw_batches(GROUPS, Batch(4, GENUINE, FORGED, count), (0,)))


def new_network() -> EmbeddingNetwork:
    torch.manual_seed(0)
    return EmbeddingNetwork(SMALL).eval()


def teach(
    network: EmbeddingNetwork,
    count: int = 40,
    learning_rate: float = 1e-2,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    torch.manual_seed(0)
    teach_local_projection(network, pictures, batches(count), learning_rate, tell)


@torch.inference_mode()
def separation(network: EmbeddingNetwork) -> float:
    """The area under the curve of mated pairs against skilled forgeries."""
    local, inked = network.local_features(INK)
    groups = torch.arange(SIGNERS).repeat_interleave(GENUINE + FORGED)
    forged = (torch.arange(len(INK)) % (GENUINE + FORGED)) >= GENUINE
    kinds = pair_kinds(groups, forged)
    mated = local_scores(local, inked, *kinds.mated.nonzero(as_tuple=True))
    skilled = local_scores(local, inked, *kinds.skilled.nonzero(as_tuple=True))
    return float((mated[:, None] > skilled[None, :]).float().mean())


def test_it_learns_to_tell_forgeries_and_leaves_the_rest_alone():
    network = new_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    at_first = separation(network)
    teach(network, count=80)  # of other seeds' batches, too, enough
    assert separation(network) > at_first + 0.05
    changed = [
        name for name, tensor in network.state_dict().items() if not tensor.equal(before[name])
    ]
    assert changed == ["local_projection.weight"]
    assert not network.training


def test_it_is_the_same_each_time():
    first, second = new_network(), new_network()
    teach(first)
    teach(second)
    assert torch.equal(first.local_projection.weight, second.local_projection.weight)


def test_the_first_step_is_that_of_the_whole_network():
    """Descriptors that are kept give the gradient that the network itself would."""
    kept, whole = new_network(), new_network()
    teach(kept, count=1, learning_rate=10.0)  # of one step the rate has come down already
    (batch,) = batches(1)
    local, inked = whole.local_features(pictures(batch.rows))
    kinds = pair_kinds(torch.from_numpy(batch.groups), torch.from_numpy(batch.forged))
    first, second = torch.cat([kinds.mated.triu().nonzero(), kinds.skilled.nonzero()]).unbind(1)
    random = kinds.random.triu().nonzero()
    torch.manual_seed(0)
    drawn = random[torch.randperm(len(random))[:256]]
    scores = local_scores(local, inked, first, second)
    mated = len(kinds.mated.triu().nonzero())
    parts = (
        torch.nn.functional.softplus(-(18.0 * scores[:mated] - 12.0)),
        torch.nn.functional.softplus(18.0 * scores[mated:] - 12.0),
        torch.nn.functional.softplus(18.0 * local_scores(local, inked, *drawn.unbind(1)) - 12.0),
    )
    torch.stack([part.mean() for part in parts]).mean().backward()
    gradient = whole.local_projection.weight.grad
    assert gradient is not None
    moved = kept.local_projection.weight.detach() - whole.local_projection.weight.detach()
    # Adam's first step goes against the gradient's sign; where it is tiny, rounding decides.
    clear = gradient.abs() > 0.05 * gradient.abs().max()
    assert clear.float().mean() > 0.2
    assert torch.equal(torch.sign(moved[clear]), -torch.sign(gradient[clear]))


def test_it_says_how_far_it_is():
    told: list[tuple[int, int]] = []
    teach(new_network(), count=3, tell=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("last", [1, 3])
def test_whoever_stops_it_keeps_what_was_there(last: int):
    network = new_network()
    before = network.local_projection.weight.detach().clone()

    def stop(done: int, total: int) -> None:
        if done == last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(network, count=5, tell=stop)
    assert torch.equal(network.local_projection.weight, before)


def test_a_loss_that_is_no_number_stops_it_and_changes_nothing():
    network = new_network()
    before = network.local_projection.weight.detach().clone()
    with pytest.raises(TrainingDiverged, match=r"local_projection\.learning_rate"):
        teach(network, count=5, learning_rate=1e34)
    assert torch.equal(network.local_projection.weight, before)
