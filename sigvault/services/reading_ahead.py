"""Work done in a few threads ahead of whoever takes the results, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_ahead(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    threads: int,
    most: int,
    name: str,
) -> Generator[_Result, None, None]:
    """The results in the order of the items; closed early, what has not begun is left.

    Args:
        work: what is done with each item, in one of the threads.
        items: taken from the caller's thread, no more than are worked on.
        threads: how many threads.
        most: how many results may lie ready or be at work at a time.
        name: of the threads.
    """
    remaining = iter(items)
    ahead: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, name)
    try:
        while True:
            for item in islice(remaining, most - len(ahead)):
                ahead.append(pool.submit(work, item))
            if not ahead:
                return
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
