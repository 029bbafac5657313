"""Prints the parameters and floating-point operations of a model, by closed formula.

python -m bert_tf.model_size --preset=base --family=albert
"""

import dataclasses

from bert_tf.models import families
from bert_tf.models.config import PRESETS, BertConfig
from bert_tf.models.size import parameter_formulas, pretraining_step_flops
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class ModelSizeOptions:
    """Options of the program."""

    family: families.Name = cli.option("bert", "A member of the family.")
    preset: str = cli.option("base", f"One of {', '.join(PRESETS)}.")
    vocab_size: int = cli.option(30522, "Number of pieces in the vocabulary.")
    config_file: str | None = cli.option(
        None, "A bert_config.json, instead of a preset."
    )
    sequence_length: int = cli.option(128, "Tokens in a row.")
    max_predictions: int = cli.option(20, "Masked tokens in a row.")


def main(options: ModelSizeOptions) -> None:
    """Prints the parameters by part, their number in a real model, and operations."""
    if options.config_file:
        config = BertConfig.from_file(options.config_file)
    else:
        config = families.make_config(
            options.family, options.preset, options.vocab_size
        )
    formulas = parameter_formulas(config)
    for name, (formula, value) in formulas.items():
        print(f"{name:<20}  {formula:<22}  {value:>13,}")
    total = sum(value for _, value in formulas.values())
    print(f"{'sum of the formulas':<20}  {'':<22}  {total:>13,}")
    variables = families.make_encoder(config).trainable_variables
    counted = sum(variable.value.shape.num_elements() for variable in variables)
    print(f"{'counted in the model':<20}  {'':<22}  {counted:>13,}")
    flops = pretraining_step_flops(
        config, 1, options.sequence_length, options.max_predictions
    )
    print(
        f"One training step costs {flops / 1e9:,.1f} GFLOP per row of "
        f"{options.sequence_length} tokens."
    )


if __name__ == "__main__":
    cli.run(ModelSizeOptions, main, __doc__)
