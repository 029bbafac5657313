"""The encoder that a config describes."""

from typing import Any

from bert_tf.models.config import BertConfig
from bert_tf.models.elmo import ElmoEncoder
from bert_tf.models.encoder import BertEncoder


def make_encoder(config: BertConfig, dtype: Any = None) -> BertEncoder | ElmoEncoder:
    """An encoder with random weights, named `encoder`."""
    if config.architecture == "elmo":
        return ElmoEncoder(config, name="encoder", dtype=dtype)
    return BertEncoder(config, name="encoder", dtype=dtype)
