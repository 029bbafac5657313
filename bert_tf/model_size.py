"""Parameters and floating-point operations of a model, by closed formula.

python -m bert_tf.model_size --preset=base --family=albert
"""

import dataclasses

from bert_tf.models import config as configs
from bert_tf.models import families
from bert_tf.models.config import BertConfig
from bert_tf.models.families import FAMILIES
from data_pipelines.programs import cli

# Of ELMo's characters: their table, the filters of five widths, and the highway layer
# over 512 of them; what they are projected to depends on the model.
_CHARACTER_WEIGHTS = 258 * 16 + 33_792 + 2 * (512**2 + 512)


def parameter_formulas(config: BertConfig) -> dict[str, tuple[str, int]]:
    """For each part of the encoder: the closed formula, and its value.

    V pieces, P positions, T segments, E width of the embeddings, H hidden, L
    layers, I intermediate.
    """
    hidden, width = config.hidden_size, config.embedding_size or config.hidden_size
    inner = config.intermediate_size
    layers = config.num_hidden_layers
    if config.architecture == "elmo":
        return {
            "characters": (
                f"{_CHARACTER_WEIGHTS:,} + 513 H/2",
                _CHARACTER_WEIGHTS + 513 * hidden // 2,
            ),
            "LSTMs": ("L (4 H^2 + 4 H)", layers * 4 * (hidden**2 + hidden)),
            **_pooler(config),
        }
    if config.share_layers:
        layers = min(layers, 1)
    positions = (
        config.max_position_embeddings if config.position_embeddings == "learned" else 0
    )
    gates = 2 if config.hidden_act == "geglu" else 1
    parts = {
        "token embeddings": ("V E", config.vocab_size * width),
        "position embeddings": ("P E", positions * width),
        "segment embeddings": ("T E", config.type_vocab_size * width),
    }
    if config.embedding_norm:
        parts["embedding norm"] = ("2 E", 2 * width)
    if width != hidden:
        parts["projection"] = ("E H + H", width * hidden + hidden)
    parts |= {
        "attention": ("L (4 H^2 + 4 H)", layers * 4 * (hidden**2 + hidden)),
        "feed-forward": (
            "L (3 H I + 2 I + H)" if gates == 2 else "L (2 H I + I + H)",
            layers * ((1 + gates) * hidden * inner + gates * inner + hidden),
        ),
        "block norms": ("L 4 H", layers * 4 * hidden),
    }
    if config.norm_position == "pre":
        parts["final norm"] = ("2 H", 2 * hidden)
    return {**parts, **_pooler(config)}


def _pooler(config: BertConfig) -> dict[str, tuple[str, int]]:
    hidden = config.hidden_size
    return {"pooler": ("H^2 + H", hidden**2 + hidden)} if config.pooler else {}


def pretraining_step_flops(
    config: BertConfig, batch_size: int, sequence_length: int, max_predictions: int
) -> float:
    """Operations of one training step: products only, forward and twice backward."""
    hidden, inner = config.hidden_size, config.intermediate_size
    if config.architecture == "elmo":
        # Of two LSTMs, four gates each, and two softmaxes; not of the characters.
        half = hidden // 2
        per_token = config.num_hidden_layers * 2 * 8 * half**2
        per_prediction = 2 * half * config.vocab_size
        products = batch_size * (
            sequence_length * per_token + max_predictions * per_prediction
        )
        return 2.0 * 3 * products
    width = config.embedding_size or hidden
    gates = 2 if config.hidden_act == "geglu" else 1
    per_token = config.num_hidden_layers * (
        4 * hidden**2 + (1 + gates) * hidden * inner + 2 * sequence_length * hidden
    )
    if width != hidden:
        per_token += width * hidden
    per_prediction = hidden * width + width * config.vocab_size
    products = batch_size * (
        sequence_length * per_token + max_predictions * per_prediction + hidden**2
    )
    return 2.0 * 3 * products


@dataclasses.dataclass(frozen=True)
class ModelSizeOptions:
    """What the program can be told."""

    family: families.Name = cli.option("bert", "A member of the family.")
    preset: str = cli.option("base", f"One of {', '.join(configs.PRESETS)}.")
    vocab_size: int = cli.option(30522, "Number of pieces in the vocabulary.")
    config_file: str | None = cli.option(
        None, "A bert_config.json, instead of a preset."
    )
    sequence_length: int = cli.option(128, "Tokens in a row.")
    max_predictions: int = cli.option(20, "Masked tokens in a row.")


def main(options: ModelSizeOptions) -> None:
    """Prints the parameters by part, beside the real model's, and the operations."""
    # Late: only here is a model made.
    from bert_tf.models.encoders import make_encoder

    if options.config_file:
        config = BertConfig.from_file(options.config_file)
    else:
        changes = FAMILIES[options.family].config
        config = configs.preset(options.preset, options.vocab_size, **changes)
    formulas = parameter_formulas(config)
    for name, (formula, value) in formulas.items():
        print(f"{name:<20}  {formula:<22}  {value:>13,}")
    total = sum(value for _, value in formulas.values())
    print(f"{'sum of the formulas':<20}  {'':<22}  {total:>13,}")
    variables = make_encoder(config).trainable_variables
    counted = sum(variable.value.shape.num_elements() for variable in variables)
    print(f"{'counted in the model':<20}  {'':<22}  {counted:>13,}")
    flops = pretraining_step_flops(
        config, 1, options.sequence_length, options.max_predictions
    )
    print(
        f"One training step costs {flops / 1e9:,.1f} GFLOP a row of "
        f"{options.sequence_length} tokens."
    )


if __name__ == "__main__":
    cli.run(ModelSizeOptions, main, __doc__)
