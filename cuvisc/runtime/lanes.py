"""Reading ahead of the arithmetic and writing behind it, each on a thread of its own. Never torch.

What reads, computes and writes blocks of numbers lets other threads run meanwhile. Blocks change hands in groups, since
to wake a thread costs as much as to read a small block; each side holds two groups at most. An error on either side
is raised where the blocks are computed, and nothing is done after it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Generic, Self, TypeVar

_GROUP_BYTES = 2**23

T = TypeVar("T")


def group_of(nbytes: int) -> int:
    """How many blocks of that size change hands together."""
    return max(1, _GROUP_BYTES // max(nbytes, 1))


def read_ahead(items: Iterable[T], group: int) -> Generator[T, None, None]:
    """The items in order; while a group of them is used, the next is made on another thread."""
    source = iter(items)
    pool = ThreadPoolExecutor(1, "cuvisc-read")

    def read() -> list[T]:
        return list(islice(source, group))

    try:
        coming = pool.submit(read)
        while found := coming.result():
            coming = pool.submit(read)
            found.reverse()
            while found:
                yield found.pop()
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind(Generic[T]):
    """Gives groups of items in order to `write` on another thread.

    Leaving the context waits until all are written; after an error what is not begun is left out.
    """

    def __init__(self, write: Callable[[list[T]], None], group: int) -> None:
        self._write = write
        self._group = group
        self._pool = ThreadPoolExecutor(1, "cuvisc-write")
        self._collected: list[T] = []
        self._writing: Future[None] | None = None

    def put(self, item: T) -> None:
        """Have an item written; raises what writing an earlier one raised."""
        self._collected.append(item)
        if len(self._collected) == self._group:
            self._hand_over()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._hand_over()
                self._wait()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _hand_over(self) -> None:
        self._wait()
        self._writing = self._pool.submit(self._write, self._collected)
        self._collected = []

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
