"""The cost of summing the gradients of many GPUs: arithmetic, nothing is run.

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
    """Options of the arithmetic."""

    preset: str = cli.option("base", "Size of the model.")
    vocab_size: int = cli.option(30522, "Pieces of the vocabulary.")
    sequence_length: int = cli.option(128, "Tokens of a row.")
    max_predictions: int = cli.option(20, "Masked tokens of a row.")
    gpu_teraflops: float = cli.option(
        125.0, "What a GPU reaches in training, 10^12 operations a second."
    )
    links: tuple[str, ...] = cli.option(
        ("450", "50", "25", "12.5", "3.1"),
        "Gigabytes a second that a GPU sends and receives at the same time.",
    )
    num_gpus: tuple[str, ...] = cli.option(("8", "32", "64", "256"), "GPUs in all.")
    efficiency: float = cli.option(0.8, "Share of the time that is to be computation.")


def all_reduce_seconds(num_bytes: int, num_gpus: int, gigabytes: float) -> float:
    """Time of a ring: each GPU sends its gradients nearly twice.

    Args:
        num_bytes: of all gradients.
        num_gpus: in the ring.
        gigabytes: 10^9 bytes a second that each sends.
    """
    return 2 * (num_gpus - 1) / num_gpus * num_bytes / (gigabytes * 1e9)


def rows_for(efficiency: float, communication: float, row_seconds: float) -> int:
    """Rows of a GPU and step so that computation takes this share of the time.

    Nothing is assumed to overlap.
    """
    return math.ceil(efficiency / (1 - efficiency) * communication / row_seconds)


def main(options: AllReduceOptions) -> None:
    """Prints a row for each link and number of GPUs."""
    config = configs.preset(options.preset, options.vocab_size)
    # Of the encoder: the heads of pre-training have half a percent more.
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
