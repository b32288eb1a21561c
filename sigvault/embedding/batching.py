"""Many callers, one embedding thread: their images share forward passes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import StorageFailed
from sigvault.domain.identifiers import ModelId
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard
from sigvault.domain.ports import Embedder

MOST = 8
"""Images of a forward pass at most: beyond it a CPU gains little, and callers wait."""

LINGER_SECONDS = 0.002
"""How long a pass waits for more images, where the one before it found several."""


class _Kind(Enum):
    """What is wanted of images; a pass is for one kind."""

    PROBES = auto()
    REFERENCES = auto()
    LOCAL_FEATURES = auto()


@dataclass(eq=False)
class _Call:
    """What one caller waits for.

    Attributes:
        embedder: what embeds.
        images: what to embed; at most as many as one pass takes.
        kind: what is wanted of them.
        done: set once there is a result or an error.
        result: what came of each image, in order.
        error: what went wrong, or None.
    """

    embedder: Embedder
    images: Sequence[InkImage]
    kind: _Kind
    done: threading.Event = field(default_factory=threading.Event)
    result: list[Any] = field(default_factory=list)
    error: BaseException | None = None

    def goes_with(self, other: _Call) -> bool:
        """Whether one pass can serve both."""
        return self.embedder is other.embedder and self.kind is other.kind

    def run(self, images: Sequence[InkImage]) -> Sequence[Any]:
        """What is wanted of these images."""
        if self.kind is _Kind.LOCAL_FEATURES:
            return self.embedder.local_features(images)
        return self.embedder.embed(images, as_references=self.kind is _Kind.REFERENCES)


class EmbeddingWorker:
    """One thread that embeds for everybody: a device gains nothing from several.

    Callers wait for their embeddings, so that at most as many calls queue as there are callers. A
    pass takes what is there; it waits for more only while there is a crowd.
    """

    def __init__(
        self,
        *,
        most: int = MOST,
        linger_seconds: float = LINGER_SECONDS,
        observe: Callable[[int], None] = lambda _: None,
        share: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the thread when it is first needed.

        Args:
            most: images of a forward pass at most.
            linger_seconds: how long a pass waits for more images while there is a crowd.
            observe: told the number of images of each pass.
            share: told before each pass, in its thread, how many callers it is for, so that it
                leaves room for what they do meanwhile (`torch_embedder.CoreShare`).
        """
        self._most = most
        self._linger = linger_seconds
        self._observe = observe
        self._share = share
        self._waiting: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._crowded = False

    @property
    def depth(self) -> int:
        """How many images wait."""
        with self._changed:
            return sum(len(call.images) for call in self._waiting)

    def embed(
        self, embedder: Embedder, images: Sequence[InkImage], *, as_references: bool = False
    ) -> list[Embedding]:
        """Embed, together with what others want embedded by the same model in the same way.

        Raises:
            StorageFailed: If the worker was closed.
            Exception: Whatever the embedder raises for these images.
        """
        return self._run(embedder, images, _Kind.REFERENCES if as_references else _Kind.PROBES)

    def local_features(
        self, embedder: Embedder, images: Sequence[InkImage]
    ) -> list[npt.NDArray[np.int8]]:
        """Local features alone, together with what others want likewise.

        Raises:
            StorageFailed: If the worker was closed.
            Exception: Whatever the embedder raises for these images.
        """
        return self._run(embedder, images, _Kind.LOCAL_FEATURES)

    def close(self) -> None:
        """Embed what is waiting, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self, embedder: Embedder, images: Sequence[InkImage], kind: _Kind) -> list[Any]:
        calls = [
            _Call(embedder, images[start : start + self._most], kind)
            for start in range(0, len(images), self._most)
        ]
        found: list[Any] = []
        for call in calls:  # one after the other, so that others' images go in between
            self._submit(call)
            call.done.wait()
            if call.error is not None:
                raise call.error
            found += call.result
        return found

    def _submit(self, call: _Call) -> None:
        with self._changed:
            if self._closed:
                raise StorageFailed("the vault is closed: open it again")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="sigvault-embed", daemon=True
                )
                self._thread.start()
            self._waiting.append(call)
            self._changed.notify_all()

    def _work(self) -> None:
        while calls := self._next():
            self._observe(sum(len(call.images) for call in calls))
            self._share(len(calls))
            _embed_together(calls)

    def _next(self) -> list[_Call]:
        """The calls of the next pass, all of one embedder and kind; none once closed and done."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            self._gather()
            first = self._waiting[0]
            calls: list[_Call] = []
            others: deque[_Call] = deque()
            images = 0
            for call in self._waiting:  # those of another kind don't cut the pass short
                if call.goes_with(first) and images + len(call.images) <= self._most:
                    images += len(call.images)
                    calls.append(call)
                else:
                    others.append(call)
            self._waiting = others
            self._crowded = len(calls) > 1
            return calls

    def _gather(self) -> None:
        """Wait a little for a full pass, if the last one had several callers."""
        until = time.monotonic() + self._linger
        while self._crowded and not self._closed and len(self._waiting) < self._most:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)


def _embed_together(calls: list[_Call]) -> None:
    """Embed in one pass; where that fails, each by itself, so that nobody fails for another."""
    images = [image for call in calls for image in call.images]
    try:
        found = calls[0].run(images)
    except Exception as error:
        if len(calls) > 1:
            for call in calls:
                _embed_together([call])
            return
        calls[0].error = error
    else:
        for call in calls:
            call.result = list(found[: len(call.images)])
            found = found[len(call.images) :]
    for call in calls:
        call.done.set()


class BatchingEmbedder:
    """An embedder whose callers share a worker's forward passes."""

    def __init__(self, embedder: Embedder, worker: EmbeddingWorker) -> None:
        """Take what embeds, and who runs it."""
        self._embedder = embedder
        self._worker = worker

    @property
    def card(self) -> ModelCard:
        """See Embedder."""
        return self._embedder.card

    @property
    def model(self) -> ModelId:
        """See Embedder."""
        return self._embedder.model

    @property
    def dimension(self) -> int:
        """See Embedder."""
        return self._embedder.dimension

    @property
    def preprocessing(self) -> str:
        """See Embedder."""
        return self._embedder.preprocessing

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """See Embedder."""
        return self._worker.embed(self._embedder, images, as_references=as_references)

    def local_features(self, images: Sequence[InkImage]) -> list[npt.NDArray[np.int8]]:
        """See Embedder."""
        return self._worker.local_features(self._embedder, images)
