"""Exports a model folder as a SavedModel that takes plain strings.

    python -m bert_tf.export --model_dir=models/demo --name=demo
    python -m bert_tf.export --model_dir=models/sst2 --name=sst2 --precision=int8

The SavedModel needs only tensorflow and tensorflow-text. It also loads in TF Serving,
whose configuration files are written beside the models.
"""

import dataclasses

from bert_tf.serving.saved_model import Pooling, export
from bert_tf.serving.signatures import SUFFIXES
from bert_tf.serving.stored_weights import Precision
from bert_tf.serving.versions import signature_definitions
from bert_tf.training.hardware import peak_flops_per_second
from data_pipelines.programs import cli

# Conversions between the formats cost what a smaller difference would save.
_FASTER = 1.3


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options of the program."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, pre-trained or fine-tuned."
    )
    name: str = cli.option(cli.REQUIRED, "Name under which the model is served.")
    version: int | None = cli.option(
        None, "Version number. Default: one more than the newest version."
    )
    saved_models_dir: str = cli.option(
        "saved_models", "Folder in which NAME/VERSION is created."
    )
    keep: int | None = cli.option(
        None, "Number of newest versions to keep. Default: all of them."
    )
    precision: Precision = cli.option(
        "float32",
        "Precision of the weights: bfloat16 takes half the space, int8 a quarter. "
        "int8 is computed in float32, so it is not faster.",
    )
    top_k: int = cli.option(5, "Number of predictions of fill_mask for a mask.")
    pooling: Pooling | None = cli.option(
        None, "Pooling of the sentence vector of embed. Default: as trained, or mean."
    )


def main(options: ExportOptions) -> None:
    """Exports the model, and prints the path and the signatures."""
    values = dataclasses.asdict(options)
    path = export(values.pop("model_dir"), **values)
    others = ("_default", "_init_op", *filter(None, SUFFIXES.values()))
    names = sorted(n for n in signature_definitions(path) if not n.endswith(others))
    print(
        f"Wrote {path} with the signatures {', '.join(names)}.\n"
        f"To start TF Serving, run docker compose up in {options.saved_models_dir}."
    )
    if note := speed_note(options.precision):
        print(note)


def speed_note(precision: Precision) -> str | None:
    """Returns what a precision does not give on this machine, if there is anything."""
    if precision == "int8":
        return "int8 is how the weights are stored: products are computed in float32."
    if precision == "bfloat16":
        rates = {
            dtype: peak_flops_per_second(dtype) for dtype in ("float32", precision)
        }
        if rates[precision] < _FASTER * rates["float32"]:
            return (
                f"This machine multiplies matrices at {rates[precision] / 1e9:,.0f} "
                f"GFLOP/s in bfloat16 and at {rates['float32'] / 1e9:,.0f} in float32: "
                "here bfloat16 saves space, not time."
            )
    return None


if __name__ == "__main__":
    cli.run(ExportOptions, main, __doc__)
