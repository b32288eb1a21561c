"""Exact search by blocked matrix products in torch, on the CPU or a CUDA device."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import SearchResult
from sigvault.indexing.checks import (
    check_dimension,
    check_k,
    check_new_rows,
    check_rows,
    check_vectors,
)
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.ranking import exact_search, rounding_error
from sigvault.indexing.row_table import RowTable

if TYPE_CHECKING:
    import torch

_SCORES_AT_ONCE = 2**22
"""Scores in one block: 16 MB of float32."""
_PROBES_AT_ONCE = 256
_REDUCED_PRECISION = {"highest": 0.0, "high": 2.0**-9, "medium": 2.0**-6}
"""What torch's setting for float32 matrix products may cost a score beyond float32's rounding:
TF32 keeps 10 bits of each factor, bfloat16 keeps 7."""


class TorchExactIndex:
    """Multiplies blocks of vectors with all probes and keeps the best: quickest for batches.

    One lock lets one caller in at a time; torch itself uses the cores or the device.
    """

    def __init__(self, dimension: int, *, device: str = "auto") -> None:
        """Start empty.

        Args:
            dimension: D, the length of the vectors.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA where there is a device.

        Raises:
            IndexFailed: If the dimension is below 1 or the device can't be had.
        """
        self.dimension = check_dimension(dimension)
        self._lock = threading.RLock()
        try:
            import torch

            if device == "auto":
                device = "cuda" if torch.cuda.is_available() else "cpu"
            self.device = device
            self._store = _Store(torch.empty((0, dimension), device=device))
        except (ImportError, RuntimeError, AssertionError) as error:
            raise IndexFailed(
                f"torch can't search on the device {device}: {error}; use the device cpu"
            ) from error

    def __len__(self) -> int:
        """How many vectors can be found."""
        return len(self._store.table)

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add unit vectors float32 (N, D) under the numbers int64 (N,), new and not negative.

        Raises:
            IndexFailed: If a number is taken, the arrays are not what they should be, or memory
                runs out; nothing is added then.
        """
        vectors = check_vectors(vectors, self.dimension)
        check_new_rows(rows, len(vectors))
        with self._lock:
            self._store.table.refuse_taken(rows)
            try:
                self._store.append(rows, vectors)
            except RuntimeError as error:
                raise _failed("take more vectors", error) from error

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the vectors under these numbers int64 (N,) unfindable; unknown ones are ignored.

        Raises:
            IndexFailed: If the numbers are not int64 (N,), or memory runs out.
        """
        check_rows(rows)
        with self._lock:
            self._store.table.remove(rows)
            if self._store.table.worth_compacting:
                try:
                    self._store = self._store.compacted()
                except RuntimeError as error:
                    raise _failed("be compacted", error) from error

    def search(self, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
        """Find the k best vectors for each of the probes float32 (Q, D), unit norm.

        Returns:
            Rows and scores (Q, k) by falling score, then rising row; -1 and -inf beyond the end.

        Raises:
            IndexFailed: If k is below 1, the probes are not what they should be, or memory
                runs out.
        """
        probes = check_vectors(probes, self.dimension)
        k = check_k(k)
        with self._lock:
            try:
                return exact_search(self._store, probes, k)
            except RuntimeError as error:
                raise _failed("be searched", error) from error

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""
        with self._lock:
            return self._store.rows_at(self._store.table.occupied())

    def contents(self) -> IndexContents:
        """Copy out all findable vectors."""
        with self._lock:
            places = self._store.table.occupied()
            return IndexContents(self._store.rows_at(places), self._store.vectors_at(places))


def _failed(what: str, error: RuntimeError) -> IndexFailed:
    return IndexFailed(f"the torch index can't {what}: {error}; use the device cpu")


class _Store:
    """Vectors in a tensor with room to grow: the candidate source of the index."""

    def __init__(self, room: torch.Tensor) -> None:
        self.table = RowTable()
        self._room = room

    @property
    def size(self) -> int:
        return self.table.size

    @property
    def reach(self) -> int:
        return self.table.size

    @property
    def score_error(self) -> float:
        import torch

        reduced = _REDUCED_PRECISION[torch.get_float32_matmul_precision()]
        return rounding_error(self._room.shape[1]) + reduced

    def append(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        import torch

        end = self.size + len(rows)
        if end > len(self._room):
            grown = self._room.new_empty((max(end, 2 * len(self._room)), self._room.shape[1]))
            grown[: self.size] = self._room[: self.size]
            self._room = grown
        # torch warns of arrays that it could write to but must not, such as mapped files.
        writeable = np.require(vectors, requirements=["C", "W"])
        self._room[self.size : end] = torch.from_numpy(writeable).to(self._room.device)
        self.table.append(rows)

    def compacted(self) -> _Store:
        import torch

        places = self.table.occupied()
        at = torch.from_numpy(places).to(self._room.device)
        store = _Store(self._room.index_select(0, at))
        store.table.append(self.table.at(places))
        return store

    def nearest(
        self, probes: npt.NDArray[np.float32], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        import torch

        places, scores = [], []
        for start in range(0, len(probes), _PROBES_AT_ONCE):
            some = np.require(probes[start : start + _PROBES_AT_ONCE], requirements=["C", "W"])
            best = self._best_of(torch.from_numpy(some).to(self._room.device), count)
            scores.append(best[0].cpu().numpy())
            places.append(best[1].cpu().numpy())
        return np.concatenate(places), np.concatenate(scores)

    def _best_of(self, probes: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and places (Q, count) of the best for so many probes."""
        import torch

        best = probes.new_empty((len(probes), 0))
        places = torch.empty((len(probes), 0), dtype=torch.int64, device=probes.device)
        step = max(count, _SCORES_AT_ONCE // len(probes))
        for start in range(0, self.size, step):
            block = self._room[start : min(start + step, self.size)]
            scores = probes @ block.T
            top, at = scores.topk(min(count, len(block)), dim=1)
            best, merged = torch.cat((best, top), dim=1).topk(
                min(count, best.shape[1] + top.shape[1]), dim=1
            )
            places = torch.cat((places, at + start), dim=1).gather(1, merged)
        return best, places

    def rows_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self.table.at(places)

    def vectors_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        import torch

        at = torch.from_numpy(places).to(self._room.device)
        vectors: npt.NDArray[np.float32] = self._room.index_select(0, at).cpu().numpy()
        return vectors
