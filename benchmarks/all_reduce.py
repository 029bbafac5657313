"""Computes the cost of all-reducing gradients over many GPUs, without running anything.

    python -m benchmarks.all_reduce --preset=base --links=450,50,12.5

See docs/distributed.md for the formulas and what follows from them.
"""

import dataclasses
import math

from bert_tf.models import config as configs
from bert_tf.models.size import parameter_formulas, pretraining_step_flops
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class AllReduceOptions:
    """Options of the calculation."""

    preset: str = cli.option("base", "Size of the model.")
    vocab_size: int = cli.option(30522, "Number of pieces of the vocabulary.")
    sequence_length: int = cli.option(128, "Tokens per row.")
    max_predictions: int = cli.option(20, "Masked tokens per row.")
    gpu_teraflops: float = cli.option(125.0, "Rate of a GPU in training, in TFLOP/s.")
    links: tuple[str, ...] = cli.option(
        ("450", "50", "25", "12.5", "3.1"),
        "Bandwidths of a GPU in GB/s, sending and receiving simultaneously.",
    )
    num_gpus: tuple[str, ...] = cli.option(
        ("8", "32", "64", "256"), "Total numbers of GPUs."
    )
    efficiency: float = cli.option(0.8, "Target share of the time in computation.")


def all_reduce_seconds(num_bytes: int, num_gpus: int, gigabytes: float) -> float:
    """Returns the time of a ring all-reduce: each GPU sends its gradients nearly twice.

    Args:
        num_bytes: size of all gradients.
        num_gpus: number of GPUs in the ring.
        gigabytes: bandwidth of each GPU in GB/s.
    """
    return 2 * (num_gpus - 1) / num_gpus * num_bytes / (gigabytes * 1e9)


def rows_for(efficiency: float, communication: float, row_seconds: float) -> int:
    """Returns the rows per GPU and step for which computation has this share of time.

    Assumes that communication and computation do not overlap.
    """
    return math.ceil(efficiency / (1 - efficiency) * communication / row_seconds)


def main(options: AllReduceOptions) -> None:
    """Prints a row for each link and number of GPUs."""
    config = configs.preset(options.preset, options.vocab_size)
    # Only the encoder: the pre-training heads add half a percent.
    num_bytes = 4 * sum(value for _, value in parameter_formulas(config).values())
    flops = pretraining_step_flops(
        config, 1, options.sequence_length, options.max_predictions
    )
    row_seconds = flops / (options.gpu_teraflops * 1e12)
    print(
        f"{options.preset}: {num_bytes / 1e6:,.0f} MB of float32 gradients a step; "
        f"{row_seconds * 1e3:.2f} ms a row of {options.sequence_length} tokens at "
        f"{options.gpu_teraflops:g} TFLOP/s\n"
    )
    share = f"{options.efficiency:.0%}"
    print(f"| GB/s | GPUs | all-reduce | rows a GPU for {share} | rows in all |")
    print("|---|---|---|---|---|")
    for link in options.links:
        for count in options.num_gpus:
            seconds = all_reduce_seconds(num_bytes, int(count), float(link))
            rows = rows_for(options.efficiency, seconds, row_seconds)
            print(
                f"| {link} | {count} | {seconds * 1e3:,.1f} ms | {rows:,} | "
                f"{rows * int(count):,} |"
            )


if __name__ == "__main__":
    cli.run(AllReduceOptions, main, __doc__)
