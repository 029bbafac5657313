"""`fit` trains what `python -m bert_tf.finetune` trains."""

import numpy as np
import pytest

from bert_tf.api.tasks import (
    MultipleChoice,
    QuestionAnswerer,
    TextClassifier,
    TextCorrector,
    TextRegressor,
    TokenTagger,
)
from bert_tf.checkpoints import model_dir
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.tasks.data_options import read
from tests.end_to_end.tasks import KINDS, write_model, write_task

CLASSES = {
    "classification": TextClassifier,
    "regression": TextRegressor,
    "token_tagging": TokenTagger,
    "span_qa": QuestionAnswerer,
    "multiple_choice": MultipleChoice,
    "correction": TextCorrector,
}
# From examples to inputs and targets.
PLAIN = {
    "classification": lambda e: (e.first, e.label),
    "regression": lambda e: (e.first, e.label),
    "token_tagging": lambda e: (list(e.words), list(e.tags)),
    "span_qa": lambda e: (
        (e.question, e.context),
        [(answer.text, answer.start) for answer in e.answers],
    ),
    "multiple_choice": lambda e: ((e.first, list(e.choices)), e.label),
    "correction": lambda e: (e.text, list(e.corrected)),
}


def data_of(options, split):
    examples, dataset = read(options.chosen_dataset(), split, None)
    pairs = [PLAIN[dataset.kind](example) for example in examples]
    return [x for x, _ in pairs], [y for _, y in pairs]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        kind
        if kind in ("classification", "token_tagging")
        else pytest.param(kind, marks=pytest.mark.long)
        for kind in KINDS
    ],
)
def test_fit_trains_as_finetune_does(tmp_path, kind):
    task = write_task(kind, tmp_path / "data", num_train=104, num_dev=12)
    model = write_model(tmp_path / "model")
    columns = {
        n: v for n, v in task.options.items() if n.endswith(("column", "columns"))
    }
    options = FinetuneOptions(
        model_dir=model,
        output_dir=str(tmp_path / "finetuned"),
        kind=kind,
        train_file=task.train_file,
        dev_file=task.dev_file,
        batch_size=2,
        num_epochs=1.0,
        learning_rate=1e-3,
        seed=3,
        baselines=False,
        **columns,
    )
    metrics = finetune(options)

    fitted = CLASSES[kind](model, seed=3)
    fitted.compile(learning_rate=1e-3)
    history = fitted.fit(
        *data_of(options, "train"),
        validation_data=data_of(options, "dev"),
        batch_size=2,
        epochs=1,
        verbose=0,
    )
    assert history.params["steps"] > 50
    expected = model_dir.load(options.output_dir)
    names = model_dir.weights_of(expected.model)
    found = model_dir.weights_of(fitted.keras_model)
    assert names.keys() == found.keys()
    for name, weight in names.items():
        np.testing.assert_allclose(found[name], weight, atol=1e-5, err_msg=name)
    for name, value in metrics.items():
        assert history.history[f"val_{name}"] == [pytest.approx(value, abs=1e-5)], name
    assert fitted.evaluate(*data_of(options, "dev")) == pytest.approx(metrics, abs=1e-5)
    assert fitted.labels == expected.description.labels
    assert fitted.threshold == pytest.approx(expected.description.threshold)
