"""Opens a model of any kind."""

from typing import Any

from bert_tf.api import folders, tasks
from bert_tf.api.folders import Dtype, Path
from bert_tf.api.language_model import LanguageModel
from bert_tf.api.task_model import TaskModel
from bert_tf.checkpoints.description import PRETRAINING

_CLASSES: dict[str, type[TaskModel]] = {
    found.kind_name: found
    for found in (
        tasks.TextClassifier,
        tasks.TextRegressor,
        tasks.TokenTagger,
        tasks.QuestionAnswerer,
        tasks.MultipleChoice,
        tasks.TextCorrector,
    )
}


def load(source: Path, dtype: Dtype = "float32") -> Any:
    """Opens a model folder, or a model in any format that `bert_tf.convert` reads.

    Args:
        source: the folder (or file) of the model.
        dtype: the dtype of the computation; the weights stay float32.

    Returns:
        A `LanguageModel`, or the class of the task that the model was fine-tuned for.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the model is broken.

    Example:

    >>> bert_tf.load("models/mine").encode(["A cat sat."]).shape
    (1, 32)
    """
    kind = folders.read(source).description.kind
    if kind == PRETRAINING:
        return LanguageModel(source, dtype=dtype)
    return _CLASSES[kind](source, dtype=dtype)
