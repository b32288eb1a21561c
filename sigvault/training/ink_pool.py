"""Pictures of several data sets as one array, read where they lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


class InkPool:
    """Rows of several picture files, numbered through; uint8 (N, H, W), 255 = ink.

    Nothing is copied until it is asked for, so processes and loader workers share what the cache
    has mapped; and what isn't among the rows can't be reached. Sent to another process, a pool
    says where its files lie instead of what is in them.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        """Take pictures (N, H, W) and the rows of them that count, for each data set."""
        self._files = [ink for ink, _ in parts]
        self._file = np.concatenate(
            [np.full(len(rows), number) for number, (_, rows) in enumerate(parts)]
        )
        self._row = np.concatenate([rows for _, rows in parts])

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._row)

    def __getitem__(self, rows: int | slice | npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """A picture (H, W), or a copy of several (B, H, W), in the order asked for."""
        files, places = self._file[rows], self._row[rows]
        if np.ndim(files) == 0:
            return np.array(self._files[int(files)][int(places)])
        taken = np.empty((len(files), *self._files[0].shape[1:]), np.uint8)
        for number in np.unique(files):
            chosen = files == number
            taken[chosen] = self._files[number][places[chosen]]
        return taken

    def __getstate__(self) -> dict[str, object]:
        """Files by name where they are mapped whole."""
        files = [
            str(ink.filename)
            if isinstance(ink, np.memmap) and not isinstance(ink.base, np.ndarray)
            else ink
            for ink in self._files
        ]
        return {"files": files, "file": self._file, "row": self._row}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Map the files again."""
        self._files = [
            np.load(ink, mmap_mode="r", allow_pickle=False) if isinstance(ink, str) else ink
            for ink in state["files"]  # type: ignore[attr-defined]
        ]
        self._file, self._row = state["file"], state["row"]  # type: ignore[assignment]
