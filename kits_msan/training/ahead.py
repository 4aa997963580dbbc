"""Batches that threads draw while a GPU computes: drawing one takes longer there than a step does."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from kits_msan.data.slabs import Batch
from kits_msan.threads import available_cores

MOST = 6  # threads; more get in each other's way


def helpers(fabric: Any) -> int:
    """How many threads draw slabs, and processes make phantoms, for one training: none of them on a processor.

    There they would only take time from the step. On GPUs each gets its share of the cores, less one.
    """
    if fabric.device.type == "cpu":
        return 0
    return max(1, min(MOST, available_cores() // max(torch.cuda.device_count(), 1) - 1))


def drawn_ahead(
    steps: Iterable[int], draw: Callable[[int], Callable[[], Batch]], threads: int
) -> Generator[tuple[int, Batch], None, None]:
    """Each step with its batch, drawn up to 2 x `threads` steps before it is due; with 0 threads when it is.

    draw: is called in the order of the steps, and returns what a thread is to do. A batch depends on its step alone,
    so it is the same with any number of threads. What it raises comes at its step.
    """
    if not threads:
        for step in steps:
            yield step, draw(step)()
        return
    waiting: deque[tuple[int, Future[Batch]]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for step in steps:
            waiting.append((step, pool.submit(draw(step))))
            if len(waiting) > 2 * threads:
                step, batch = waiting.popleft()
                yield step, batch.result()
        for step, batch in waiting:
            yield step, batch.result()
    finally:
        pool.shutdown(cancel_futures=True)
