"""Work that is shared by several processes, with a bar that shows how much is done."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow as tf
import tqdm


@contextlib.contextmanager
def pool(num_processes: int | None, num_tasks: int) -> Iterator[Callable]:
    """Gives `run(name, verb, tasks)`, which yields the results in the tasks' order.

    Args:
        num_processes: None: one for each core. With 1, all is done in this process.
        num_tasks: more processes than tasks are not started.
    """

    def show(name: str, results: Iterable, tasks: Sequence) -> Iterable:
        return tqdm.tqdm(
            results, name, total=len(tasks), disable=not sys.stderr.isatty()
        )

    num_processes = min(num_processes or os.cpu_count() or 1, num_tasks)
    if num_processes <= 1:
        yield lambda name, verb, tasks: show(name, map(verb, tasks), tasks)
        return
    # Spawned, for a fork of a process in which TensorFlow has run hangs.
    executor = concurrent.futures.ProcessPoolExecutor(
        num_processes, multiprocessing.get_context("spawn"), _use_one_core
    )
    try:
        yield lambda name, verb, tasks: show(name, executor.map(verb, tasks), tasks)
    finally:
        executor.shutdown(cancel_futures=True)


def _use_one_core() -> None:
    # The GPU is for training, and in many processes its memory would not suffice.
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
