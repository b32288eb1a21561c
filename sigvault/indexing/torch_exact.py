"""Exact search by blocked matrix products in torch, on the CPU or a CUDA device."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import FEW_SPARE, MemoryUse, Proposals, Stored, rounding_error

if TYPE_CHECKING:
    import torch

_BLOCK = {"cpu": 2048, "amx": 8192, "cuda": 262_144}
"""Vectors multiplied at a time: 2 MB of float32 at D = 256, which stays in a processor's cache;
processors with AMX have larger ones."""
_BFLOAT16_FROM = 32
"""The smallest batch that AMX multiplies in 16 bits sooner than they are made from the vectors."""
_BFLOAT16_ROUNDOFF = 2.0**-8
"""Of float32 rounded to the nearest bfloat16, which keeps 8 bits."""
_BFLOAT16_SPARE = 54
"""Candidates fetched beyond those wanted where groups are chosen by products in bfloat16."""
_GROUP = 8
"""Neighbouring vectors of which only the best score is kept at first."""
_FEW_PROBES = 16
_PROBES = 256
"""Probes at a time that working memory is reckoned with."""
_MAXIMA_AT_ONCE = 2**24
"""Best scores of groups held at a time: 64 MB of float32."""
_NUMBERS_AT_ONCE = 2**24
"""Components of candidates gathered at a time: 64 MB of float32."""
_REDUCED_PRECISION = {"highest": 0.0, "high": 2.0**-9, "medium": 2.0**-6}
"""What torch's setting for float32 matrix products may cost a score beyond float32's rounding:
TF32 keeps 10 bits of each factor, bfloat16 keeps 7."""

_setting = threading.Lock()


class TorchSource:
    """Multiplies blocks of vectors with all probes: quickest for batches.

    Choosing the best among all scores would take as long as the products. So only the maximum
    of each group of neighbours is kept; the best ``count`` vectors lie in the best ``count``
    groups, whose members are then scored again. Where the processor has units for matrices of
    bfloat16 (AMX), groups of a large batch are chosen by these.
    """

    exact = True

    def __init__(
        self, vectors: Stored, *, device: str = "cpu", narrow_from: int | None = None
    ) -> None:
        """Take the vectors (N, D): as they are on the CPU, and copied to another device.

        Args:
            vectors: (N, D).
            device: torch's name of the device.
            narrow_from: the smallest batch whose groups are chosen by products in bfloat16, or
                None for those that this gives sooner.

        Raises:
            IndexFailed: If the device can't be had, or its memory does not suffice.
        """
        with _translated(device):
            self._vectors = tensor(vectors).to(device)
        self.device = device
        where = "cuda" if device != "cpu" else "amx" if has_amx() else "cpu"
        self._block = _BLOCK[where]
        if narrow_from is None:
            narrow_from = _BFLOAT16_FROM if where == "amx" else sys.maxsize
        self._narrow_from = narrow_from
        self.size = self.reach = len(vectors)

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        if self.device == "cpu":
            return MemoryUse()
        working = _BLOCK["cuda"] * (self._vectors.shape[1] + _PROBES) + 2 * _MAXIMA_AT_ONCE
        return MemoryUse(gpu=self._vectors.nbytes + 4 * working)

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return _BFLOAT16_SPARE if probes >= self._narrow_from else FEW_SPARE

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        import torch

        narrow = len(probes) >= self._narrow_from
        step = max(1, _MAXIMA_AT_ONCE * _GROUP // self.size)
        found = []
        with _translated(self.device), torch.inference_mode():
            for start in range(0, len(probes), step):
                some = tensor(probes[start : start + step]).to(self._vectors.device)
                found.append(
                    [each.cpu().numpy() for each in self._best_of(some, count, narrow=narrow)]
                )
        places, scores, unseen = map(np.concatenate, zip(*found, strict=True))
        once = rounding_error(probes.shape[1])
        once += _REDUCED_PRECISION[torch.get_float32_matmul_precision()]
        # A vector in a chosen group scores no more than the last proposed, but for rounding, and
        # one in another group no more than the last group chosen, but for its products' error.
        elsewhere = unseen.astype(np.float64) - scores[:, -1]
        elsewhere += _narrowing_error(probes) if narrow else once
        return Proposals(places, scores, once + np.maximum(once, elsewhere))

    def _best_of(
        self, probes: torch.Tensor, count: int, *, narrow: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Places and scores (Q, count) of the best, and (Q,) the score of the last group chosen."""
        import torch

        maxima = self._maxima(probes, narrow=narrow)
        groups = maxima.topk(min(count, maxima.shape[1]), dim=1)
        step = max(1, _NUMBERS_AT_ONCE // (groups.indices.shape[1] * _GROUP * probes.shape[1]))
        found = [
            self._best_in(groups.indices[start : start + step], probes[start : start + step], count)
            for start in range(0, len(probes), step)
        ]
        places, scores = (torch.cat(each) for each in zip(*found, strict=True))
        return places, scores, groups.values[:, -1]

    def _maxima(self, probes: torch.Tensor, *, narrow: bool) -> torch.Tensor:
        """The best score of each group of vectors, float32 (Q, groups); by bfloat16 if narrow."""
        import torch

        block, kind = self._block, torch.bfloat16 if narrow else torch.float32
        room = probes.new_empty((block, probes.shape[1]))
        narrow_room = room.new_empty(room.shape, dtype=kind) if narrow else room
        count, groups = len(probes), -(-self.size // _GROUP)
        # Products with few columns are slow: those of few probes are laid out by probe.
        by_probe = count < _FEW_PROBES
        products = probes.new_empty((count, block) if by_probe else (block, count), dtype=kind)
        maxima = probes.new_empty((count, groups) if by_probe else (groups, count), dtype=kind)
        products, maxima = (products.T, maxima.T) if by_probe else (products, maxima)
        across = (probes.T if by_probe else probes.T.contiguous()).to(kind)
        for start in range(0, self.size, block):
            part = self._vectors[start : start + block]
            if part.dtype != torch.float32:
                part = room[: len(part)].copy_(part)
            if narrow:  # by way of 32 bits, from which torch rounds three times as fast
                part = narrow_room[: len(part)].copy_(part)
            scores = torch.mm(part, across, out=products[: len(part)])
            into = maxima[start // _GROUP : -(-(start + len(part)) // _GROUP)]
            whole = len(part) // _GROUP
            grouped = scores[: whole * _GROUP].view(whole, _GROUP, count)
            torch.amax(grouped, dim=1, out=into[:whole])
            if whole < len(into):
                into[whole] = scores[whole * _GROUP :].amax(dim=0)
        return maxima.T.float().contiguous()

    def _best_in(
        self, groups: torch.Tensor, probes: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Places and scores (Q, count) of the best members of groups (Q, G)."""
        import torch

        members = torch.arange(_GROUP, device=groups.device)
        places = (groups[:, :, None] * _GROUP + members).flatten(1)
        inside = places.clamp(max=self.size - 1)
        vectors = self._vectors[inside.flatten()].float().view(*inside.shape, -1)
        scores = torch.bmm(vectors, probes[:, :, None])[:, :, 0]
        scores[places >= self.size] = -torch.inf
        best = scores.topk(count, dim=1)
        return places.gather(1, best.indices), best.values


def tensor(array: npt.NDArray[np.floating]) -> torch.Tensor:
    """The array as a tensor, sharing memory where torch can: it warns of what is read-only."""
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _narrowing_error(probes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How far products in bfloat16 may lie from the true ones, for each probe, float64 (Q,).

    |q v - r w| is at most |q - r| |w| + |q| |v - w|, for the roundings r of q and w of v; sums are
    made in 32 bits, and rounded to bfloat16 at the end.
    """
    rounded = tensor(probes).bfloat16().float().numpy()
    off = np.linalg.norm((probes - rounded).astype(np.float64), axis=1)
    longest = 1.0 + UNIT_NORM_TOLERANCE
    rounded_longest = (1.0 + _BFLOAT16_ROUNDOFF) * longest
    product = off * rounded_longest + longest * longest * _BFLOAT16_ROUNDOFF
    product += rounded_longest**2 * rounding_error(probes.shape[1])
    error: npt.NDArray[np.float64] = product + _BFLOAT16_ROUNDOFF * (longest**2 + product)
    return error


def has_amx() -> bool:
    """Whether this processor multiplies matrices of bfloat16 by units of their own."""
    import torch

    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def work_alone() -> None:
    """Let torch use the calling thread alone in it, and leave it to others as it was.

    torch's own threads meet after each operation: where another program holds one of the cores, a
    search of many blocks would wait for it at every block.
    """
    import torch

    with _setting:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        # That was also said to all threads that are yet to begin: one of them takes it back.
        other = threading.Thread(target=torch.set_num_threads, args=(before,))
        other.start()
        other.join()


def torch_devices() -> tuple[tuple[int, int], ...]:
    """Free and total bytes of each CUDA device that torch can use."""
    import torch

    if not torch.cuda.is_available():
        return ()
    numbers = range(torch.cuda.device_count())
    return tuple((free, total) for free, total in map(torch.cuda.mem_get_info, numbers))


@contextmanager
def _translated(device: str) -> Iterator[None]:
    """Turn what torch raises into IndexFailed."""
    try:
        yield
    except (ImportError, RuntimeError, AssertionError) as error:
        raise IndexFailed(
            f"torch can't search on the device {device}: {error}; use the device cpu"
        ) from error
