"""Distributes work among processes or machines, with a progress bar."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import resource_tracker
from typing import Any, Literal, TypeVar

import tensorflow as tf
import tqdm

from data_pipelines.programs import cli, interruption
from data_pipelines.programs.extras import extra

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class RunnerOptions:
    """Options of the processes or machines that do the work."""

    runner: Literal["local", "spark"] = cli.option(
        "local", "local: processes of this machine. spark: a cluster of Apache Spark."
    )
    spark_master: str = cli.option(
        "",
        "Address of Spark. Default: that of spark-submit, else local[*].",
    )

    @property
    def cluster(self) -> str | None:
        """The address of Spark: "" for spark-submit's own, None for this machine."""
        if self.spark_master and self.runner != "spark":
            raise ValueError(
                f"Received spark_master={self.spark_master!r} with runner="
                f"{self.runner!r}. Expected --runner=spark."
            )
        return self.spark_master if self.runner == "spark" else None


@contextlib.contextmanager
def pool(
    num_processes: int | None, num_tasks: int, cluster: str | None = None
) -> Iterator[Callable]:
    """Yields a function `run(name, verb, tasks)`, which yields results in task order.

    Args:
        num_processes: the number of processes; None for one per core. With 1, this
            process does all the work.
        num_tasks: the number of tasks. No more processes than tasks are started.
        cluster: the address of Apache Spark, which does the work instead; "" for the
            address of `spark-submit`. The verb must be a function of a module that its
            machines can import, not of `__main__`.

    Raises:
        ValueError: the number of processes is less than one.
        ImportError: PySpark is not installed.
    """
    cli.require_positive(num_processes=num_processes)
    if cluster is not None:
        with _spark(cluster) as run:
            yield run
        return

    num_processes = min(num_processes or os.cpu_count() or 1, num_tasks)
    with contextlib.ExitStack() as stack:
        map_: Callable = map
        if num_processes > 1:
            # Spawned: the fork of a process in which TensorFlow has run hangs.
            executor = concurrent.futures.ProcessPoolExecutor(
                num_processes, multiprocessing.get_context("spawn"), _become_worker
            )
            stack.callback(executor.shutdown, cancel_futures=True)
            stack.push(_kill_if_interrupted)
            map_ = _without_interrupts(executor.map)
        yield lambda name, verb, tasks: show_progress(
            name, map_(verb, tasks), len(tasks)
        )


def _without_interrupts(map_: Callable) -> Callable:
    """Returns a `map` whose processes ignore Ctrl-C: this process ends them."""

    def start(verb: Callable[[Any], T], tasks: Sequence) -> Iterable[T]:
        # Started first, because its start unblocks the signal.
        resource_tracker.ensure_running()
        # A process that is still being started is not yet in the list of processes
        # that are ended after a signal.
        with interruption.held_back():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return map_(verb, tasks)  # Its processes inherit the mask.
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    return start


def _kill_if_interrupted(kind: type[BaseException] | None, *_: object) -> None:
    """Ends the processes of a pool, whose tasks may take minutes more."""
    if kind is not None and not issubclass(kind, Exception):
        for process in multiprocessing.active_children():
            process.kill()


def show_progress(name: str, results: Iterable[T], total: int) -> Iterable[T]:
    """Returns the results, and counts them by a progress bar on a terminal."""
    return tqdm.tqdm(results, name, total=total, disable=not sys.stderr.isatty())


@contextlib.contextmanager
def _spark(master: str) -> Iterator[Callable]:
    with extra("spark"):  # Which also needs Java 17.
        from pyspark import SparkConf
        from pyspark.sql import SparkSession
    conf = SparkConf().setAppName("bert-tf")
    if master or not conf.contains("spark.master"):
        conf.setMaster(master or "local[*]")
    # The machines of a cluster have a Python and a copy of this package of their own.
    if conf.get("spark.master", "").startswith("local"):
        os.environ["PYSPARK_PYTHON"] = sys.executable
        conf.set(
            "spark.executorEnv.PYTHONPATH", os.pathsep.join(filter(None, sys.path))
        )
    session = SparkSession.builder.config(conf=conf).getOrCreate()

    def run(name: str, verb: Callable[[Any], T], tasks: Sequence) -> Iterable[T]:
        print(f"Spark: {name}, {len(tasks)} tasks", file=sys.stderr)
        shared = session.sparkContext.parallelize(list(tasks), len(tasks))
        return shared.map(functools.partial(_on_one_core, verb)).collect()

    try:
        yield run
    finally:
        session.stop()


def _on_one_core(verb: Callable[[Any], T], task: Any) -> T:
    # RuntimeError: the process has done a task before.
    with contextlib.suppress(RuntimeError):
        _use_one_core()
    return verb(task)


def _become_worker() -> None:
    """Prepares a process of a pool, which ends with its parent, even a killed one."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _use_one_core()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Without a parent (killed, out of memory) it would wait for tasks forever.
        parent.join()
        os._exit(1)


def _use_one_core() -> None:
    # The GPU is for training, and its memory would not suffice for many processes.
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
