"""The devices and machines that a model trains on: strategies of tf.distribute.

All of them are synchronous: each replica has a part of every batch, and all replicas
make the same step. Replicas are numbered over all workers; a worker is one process.
"""

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import Literal

import tensorflow as tf

from data_pipelines.programs import cli

JitCompile = Literal["auto", "on", "off"]


@dataclasses.dataclass(frozen=True)
class DistributionOptions:
    """Options of the devices that a program trains on, and of compiling for them."""

    strategy: Literal["one_device", "mirrored", "multi_worker", "tpu"] = cli.option(
        "one_device",
        "one_device: one GPU, or the CPU. mirrored: all GPUs of this machine. "
        "multi_worker: the GPUs of several machines, found by TF_CONFIG or Slurm; run "
        "the same command on each. tpu: see --tpu.",
    )
    num_replicas: int | None = cli.option(
        None,
        "With mirrored: the number of GPUs; on a machine without GPUs, the number of "
        "parts into which its CPU is divided. Default: all GPUs.",
    )
    tpu: str | None = cli.option(
        None, "The name or address of a TPU; 'local' on a TPU VM."
    )
    jit_compile: JitCompile = cli.option(
        "auto",
        "The parts that XLA compiles. auto: the element-wise parts. on: loss and "
        "gradients as one, again for each shape of a batch; for GPUs. off: nothing. "
        "On a TPU everything is compiled.",
    )


# The names of these options: they have no influence on the result of a run.
FREE_OPTIONS = tuple(field.name for field in dataclasses.fields(DistributionOptions))


class WorkerLost(OSError):
    """Another worker stopped responding; no worker can continue alone."""


# The errors that TensorFlow raises, sooner or later, when a worker has gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def make_strategy(options: DistributionOptions) -> tf.distribute.Strategy:
    """Makes the strategy that the options name.

    Call it before anything else of TensorFlow: the devices of a process and its place
    among the workers cannot be changed later.

    Raises:
        ValueError: the options do not fit each other, or the devices of the machine.
    """
    if options.num_replicas is not None and options.strategy != "mirrored":
        raise ValueError(
            f"Received num_replicas={options.num_replicas} with strategy="
            f"{options.strategy!r}. Expected it only with mirrored: the other "
            "strategies use all devices."
        )
    if (options.tpu is not None) != (options.strategy == "tpu"):
        raise ValueError(
            f"Received strategy={options.strategy!r} and tpu={options.tpu!r}. Expected "
            "both for a TPU, --strategy=tpu --tpu=NAME, or neither."
        )
    if options.strategy == "mirrored":
        return _mirrored(options.num_replicas)
    if options.strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=_cluster())
    if options.strategy == "tpu":
        resolvers = tf.distribute.cluster_resolver
        return tf.distribute.TPUStrategy(
            resolvers.TPUClusterResolver.connect(options.tpu)
        )
    return tf.distribute.get_strategy()


def check_batch_size(
    strategy: tf.distribute.Strategy, batch_size: int, accumulation_steps: int
) -> None:
    """Raises ValueError if the replicas cannot have equal slices of a batch."""
    count = strategy.num_replicas_in_sync
    if batch_size % (count * accumulation_steps):
        raise ValueError(
            f"Received batch_size={batch_size} and accumulation_steps="
            f"{accumulation_steps} for {count} replicas. Expected a multiple "
            f"of {count * accumulation_steps}: an equal slice for each."
        )


def num_workers(strategy: tf.distribute.Strategy) -> int:
    """Returns the number of processes that train together."""
    return len(_tasks(strategy)) or 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes the files that all workers share."""
    return _worker(strategy) == 0


def local_replicas(strategy: tf.distribute.Strategy) -> range:
    """Returns the numbers of this process's replicas among all replicas."""
    count = strategy.num_replicas_in_sync // num_workers(strategy)
    first = _worker(strategy) * count
    return range(first, first + count)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker has reached this call."""
    all_agree(strategy, True)


def all_agree(strategy: tf.distribute.Strategy, answer: bool) -> bool:
    """Waits for all workers, and returns whether all of their answers are True."""
    if num_workers(strategy) == 1:
        return answer
    answers = _gather(strategy)(tf.constant([int(answer)]))
    return bool(tf.reduce_all(answers > 0))


def of_chief(strategy: tf.distribute.Strategy, number: int) -> int:
    """Waits for all workers, and returns the number that the first one gives."""
    if num_workers(strategy) == 1:
        return number
    return int(_gather(strategy)(tf.constant([number], tf.int64))[0])


@contextlib.contextmanager
def lost_workers_named(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raises WorkerLost for the errors of TensorFlow when another worker has gone."""
    try:
        yield
    except _LOST as error:
        if num_workers(strategy) == 1:
            raise
        raise WorkerLost(
            "Another worker no longer answers: it has ended or cannot be reached. "
            "Expected all workers: check its log, then start the same command on every "
            "worker again to resume from the newest checkpoint."
        ) from error


@functools.cache
def _gather(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False)
    def gather(own: tf.Tensor) -> tf.Tensor:
        return strategy.gather(strategy.run(lambda x: x, args=(own,)), axis=0)

    return gather


def _mirrored(num_replicas: int | None) -> tf.distribute.Strategy:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and (num_replicas or 1) <= len(gpus):
        count = num_replicas or len(gpus)
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(count)])
    if gpus or num_replicas is None:
        raise ValueError(
            f"Received strategy='mirrored' and num_replicas={num_replicas} on a "
            f"machine with {len(gpus)} GPUs. Expected at most that many; without "
            "GPUs, --num_replicas=N divides the CPU."
        )
    return tf.distribute.MirroredStrategy(_parts_of_cpu(num_replicas))


def _parts_of_cpu(count: int) -> list[str]:
    """Returns the names of `count` logical devices that share this machine's CPU."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    # It is too late if TensorFlow has started, but there may be enough devices.
    with contextlib.suppress(RuntimeError):
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    found = tf.config.list_logical_devices("CPU")
    if len(found) < count:
        raise ValueError(
            f"Received num_replicas={count}, but TensorFlow has started with "
            f"{len(found)} CPU devices. Expected a new process."
        )
    return [device.name for device in found[:count]]


def _cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    resolvers = tf.distribute.cluster_resolver
    if "TF_CONFIG" in os.environ:
        check_tf_config(os.environ["TF_CONFIG"])
        return resolvers.TFConfigClusterResolver()
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        return resolvers.SlurmClusterResolver()
    raise ValueError(
        "Received strategy='multi_worker' without TF_CONFIG and outside of Slurm's "
        "srun. Expected one of them to name the machines: see docs/distributed.md."
    )


def check_tf_config(text: str) -> None:
    """Raises ValueError if a `TF_CONFIG` does not say which task this process is."""
    try:
        config = json.loads(text)
        kind, index = config["task"]["type"], int(config["task"]["index"])
        address = config["cluster"][kind][index]
        is_valid = kind in ("chief", "worker") and index >= 0 and ":" in address
    except (ValueError, LookupError, TypeError):
        is_valid = False
    if not is_valid:
        raise ValueError(
            f"Received TF_CONFIG={text} Expected JSON such as "
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}, with an address for each task.'
        )


def _tasks(strategy: tf.distribute.Strategy) -> list[tuple[str, int]]:
    """Returns type and number of each worker's task, the chief first; [] if alone."""
    resolver = strategy.cluster_resolver
    if resolver is None or isinstance(strategy, tf.distribute.TPUStrategy):
        return []
    cluster = resolver.cluster_spec().as_dict()
    return [
        (kind, number)
        for kind in ("chief", "worker")
        for number in range(len(cluster.get(kind, ())))
    ]


def _worker(strategy: tf.distribute.Strategy) -> int:
    tasks, resolver = _tasks(strategy), strategy.cluster_resolver
    return tasks.index((resolver.task_type, resolver.task_id)) if tasks else 0
