"""Tells Keras where the classes of this package are, before they are imported.

A `.keras` file says "bert_tf>BertEncoder". Keras looks for it in its table of custom
objects, which the decorator of the class fills, and imports no modules. As
`import bert_tf` imports neither Keras nor TensorFlow, placeholders are put into the
table as soon as Keras has been imported, and import the class when it is needed.
"""

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from typing import Any

CLASSES = {
    "bert_tf.layers.attention": ("SelfAttention",),
    "bert_tf.layers.characters": ("CharacterEmbeddings",),
    "bert_tf.layers.convolution": ("ConvolutionBranch",),
    "bert_tf.layers.dropout": ("Dropout",),
    "bert_tf.layers.embeddings": ("Embeddings",),
    "bert_tf.layers.encoder_block": ("EncoderBlock",),
    "bert_tf.layers.feed_forward": ("FeedForward",),
    "bert_tf.layers.head_transform": ("HeadTransform",),
    "bert_tf.layers.norm": ("LayerNorm",),
    "bert_tf.layers.relative_positions": ("RelativeBias", "RelativePositions"),
    "bert_tf.layers.scalar_mix": ("BiLSTM", "ScalarMix"),
    "bert_tf.models.bidirectional_lm": ("BidirectionalLanguageModel",),
    "bert_tf.models.elmo": ("ElmoEncoder",),
    "bert_tf.models.encoder": ("BertEncoder",),
    "bert_tf.models.masked_lm": ("BertPretrainer", "MaskedLMHead"),
    "bert_tf.models.replaced_token_detection": ("ReplacedTokenDetector",),
    "bert_tf.optim.optimizers": ("AdamW", "Lamb"),
    "bert_tf.optim.schedule": ("WarmupConstant", "WarmupLinearDecay"),
    "bert_tf.tasks.auxiliary_lm": ("WithLanguageModel",),
    "bert_tf.tasks.classification": ("BertClassifier",),
    "bert_tf.tasks.correction": ("BertCorrector",),
    "bert_tf.tasks.multiple_choice": ("BertMultipleChoice",),
    "bert_tf.tasks.span_qa": ("BertSpanQA",),
    "bert_tf.tasks.token_tagging": ("BertTagger",),
}


def register_with_keras() -> None:
    """Fills Keras' table now if Keras is imported, otherwise when it will be."""
    if "keras" in sys.modules:
        _fill_table()
    else:
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder:
    """Finds the module `keras` as Python does, and fills its table after the import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: Any = None
    ) -> Any:
        if name != "keras":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        run_module = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run_module(module)
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            _fill_table()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Placeholder:
    """Stands in Keras' table for a class whose module is not imported yet."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def from_config(self, config: dict[str, Any]) -> Any:
        found = getattr(importlib.import_module(self._module), self._name)
        return found.from_config(config)


def _fill_table() -> None:
    import keras  # Imported here: a plain `import bert_tf` does without it.

    table = keras.saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            table.setdefault(f"bert_tf>{name}", _Placeholder(module, name))
