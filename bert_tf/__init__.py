"""BERT for TensorFlow and Keras: pre-train, fine-tune, ask and serve models of text.

    import bert_tf

    model = bert_tf.TextClassifier("models/mine", labels=["bad", "good"])
    model.fit(texts, labels, validation_data=(dev_texts, dev_labels), epochs=3)
    model.predict(["Not bad at all."])
    model.save("models/own")
    model.export("saved_models/own")

`bert_tf.load(folder)` opens any model; `LanguageModel` pre-trains one, fills masks, and
gives vectors. Everything that is named here is imported when it is first used, as
TensorFlow takes seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bert_tf.models.serialization import register_with_keras
from data_pipelines.programs.start import start_if_program

if TYPE_CHECKING:
    from bert_tf.api.language_model import LanguageModel
    from bert_tf.api.loading import load
    from bert_tf.api.tasks import (
        MultipleChoice,
        QuestionAnswerer,
        TextClassifier,
        TextCorrector,
        TextRegressor,
        TokenTagger,
    )

__all__ = [
    "LanguageModel",
    "MultipleChoice",
    "QuestionAnswerer",
    "TextClassifier",
    "TextCorrector",
    "TextRegressor",
    "TokenTagger",
    "load",
]

_MODULES = {"LanguageModel": "language_model", "load": "loading"}

start_if_program(__name__)
# Lets `keras.saving.load_model` find the classes of this package.
register_with_keras()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.api.{_MODULES.get(name, 'tasks')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
