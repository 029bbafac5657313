"""Shows where the time of a SavedModel goes on one core.

    python -m benchmarks.inference_profile --saved_model=inference/ours/float32/1 \\
        --data_dir=data --batch_size=32

Prints the number and the time of the operations of each kind that a call runs, after
TensorFlow has optimized the graph. `_FusedMatMul` and `_MklNativeFusedMatMul` are
products with their bias, and in the expansion with GELU.
"""

import collections
import dataclasses

import tensorflow as tf
import tensorflow_text  # noqa: F401, the ops of the SavedModel

from benchmarks.inference import read_texts
from data_pipelines.programs import cli

_WARM_UP = 5
_NUM_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class ProfileOptions:
    """Options of the benchmark."""

    saved_model: str = cli.option(cli.REQUIRED, "A version of an exported model.")
    data_dir: str = cli.option(cli.REQUIRED, "Folder with glue/SST-2 and squad.")
    signature: str = cli.option("embed", "A signature of single texts.")
    batch_size: int = cli.option(1, "Number of texts of the call.")


def main(options: ProfileOptions) -> None:
    """Prints a row for each kind of operation."""
    texts = read_texts(options.data_dir, (options.batch_size, 1))["sst2"]
    # Only sessions report each operation of an optimized graph.
    v1 = tf.compat.v1
    v1.disable_eager_execution()
    threads = v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
    )
    with v1.Session(config=threads) as session:
        model = v1.saved_model.load(session, ["serve"], options.saved_model)
        definition = model.signature_def[options.signature]
        (given,) = definition.inputs.values()
        wanted = [output.name for output in definition.outputs.values()]
        feed = {given.name: texts}
        for _ in range(_WARM_UP):
            session.run(wanted, feed)
        traced = v1.RunMetadata()
        session.run(wanted, feed, v1.RunOptions(trace_level=3), traced)
    counts: collections.Counter[str] = collections.Counter()
    times: collections.Counter[str] = collections.Counter()
    for device in traced.step_stats.dev_stats:
        for node in device.node_stats:
            # "[CPU] name = Kind(inputs)"
            kind = node.timeline_label.partition(" = ")[2].partition("(")[0]
            counts[kind] += 1
            times[kind] += node.op_end_rel_micros - node.op_start_rel_micros
    total = sum(times.values())
    print(f"{sum(counts.values()):,} operations, {total / 1000:.1f} ms")
    for kind, micros in times.most_common(_NUM_SHOWN):
        share = 100 * micros / total
        print(f"{kind:28}{counts[kind]:6}{micros / 1000:10.2f} ms{share:7.1f} %")


if __name__ == "__main__":
    cli.run(ProfileOptions, main, __doc__)
