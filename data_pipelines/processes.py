"""Work that is shared by several processes, with a bar that shows how much is done."""

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import tensorflow as tf
import tqdm

T = TypeVar("T")


@contextlib.contextmanager
def pool(num_processes: int | None, num_tasks: int) -> Iterator[Callable]:
    """Gives `run(name, verb, tasks)`, which yields the results in the tasks' order.

    Args:
        num_processes: None: one for each core. With 1, all is done in this process.
        num_tasks: more processes than tasks are not started.
    """
    num_processes = min(num_processes or os.cpu_count() or 1, num_tasks)
    if num_processes <= 1:
        yield functools.partial(_run, map)
        return
    # Spawned, for a fork of a process in which TensorFlow has run hangs.
    executor = concurrent.futures.ProcessPoolExecutor(
        num_processes, multiprocessing.get_context("spawn"), _use_one_core
    )
    try:
        yield functools.partial(_run, executor.map)
    finally:
        executor.shutdown(cancel_futures=True)


def show_progress(name: str, results: Iterable[T], total: int) -> Iterable[T]:
    """The results, while a bar on a terminal counts them."""
    return tqdm.tqdm(results, name, total=total, disable=not sys.stderr.isatty())


def _run(
    map_: Callable, name: str, verb: Callable[[Any], T], tasks: Sequence
) -> Iterable[T]:
    return show_progress(name, map_(verb, tasks), len(tasks))


def _use_one_core() -> None:
    # The GPU is for training, and in many processes its memory would not suffice.
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
