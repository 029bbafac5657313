"""The config of a model to pre-train."""

import dataclasses

from bert_tf.checkpoints.model_dir import check_sizes
from bert_tf.models.config import BertConfig
from bert_tf.models.families import make_config
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.tokenizers.vocabulary import Vocabulary


def pretraining_config(options: PretrainOptions, vocabulary: Vocabulary) -> BertConfig:
    """Makes the config of a model: from a file, or from a preset and a family.

    Raises:
        ValueError: the config does not fit the vocabulary, or the other options.
    """
    recipe = options.recipe
    if options.config_file:
        config = BertConfig.from_file(options.config_file)
    else:
        config = make_config(options.family, recipe.preset, len(vocabulary))
    if recipe.objective == "next_token":
        # No pre-training task reads the vector of a whole row.
        config = dataclasses.replace(config, causal=True, pooler=False)
    if recipe.sentence_task is not None and not options.config_file:
        config = dataclasses.replace(config, pooler=True)
    check_row_length(config, options.longest_row)
    check_sizes(config, vocabulary)
    if config.causal and recipe.objective != "next_token":
        raise ValueError(
            f"Received objective={recipe.objective} and a config with causal=true. "
            "Expected objective=next_token: a causal model does not see the tokens "
            "after a mask."
        )
    is_elmo = config.architecture == "elmo"
    if is_elmo != (recipe.objective == "both_directions"):
        raise ValueError(
            f"Received objective={recipe.objective} and the architecture "
            f"{config.architecture}. Expected objective=both_directions and "
            "architecture=elmo, or neither of them: see --family."
        )
    if is_elmo and (options.token_vectors is not None or recipe.learn_vectors):
        raise ValueError(
            "Received token_vectors or learn_vectors for ELMo, which computes vectors "
            "from characters. Expected none: leave the option out."
        )
    return config


def check_row_length(config: BertConfig, longest_row: int) -> None:
    """Raises ValueError if rows are longer than the model has positions."""
    if longest_row > config.max_sequence_length:
        raise ValueError(
            f"Received rows of {longest_row} tokens. Expected at most "
            f"{config.max_sequence_length}, the positions of the model: lower "
            "--sequence_length or, for a new model, raise max_position_embeddings in a "
            "--config_file."
        )
