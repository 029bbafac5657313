import dataclasses
import functools
import itertools

import numpy as np
import pytest

from bert_tf.prediction import predictor as predictor_module
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.kinds import KINDS
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import (
    ChoiceExample,
    CorrectionExample,
    Question,
    TaggedSentence,
    TextExample,
)
from data_pipelines.finetuning import batches
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.bert_tf.eager import run_eagerly
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config
from tests.seeds import set_seed

TOKENIZER = WordPieceTokenizer(VOCABULARY)
LABELS = ("O", "B-X", "I-X")
WORDS = ["the", "cats", "dog", "sat", "on", "mat", "a", "running", "home", "中"]


def some_words(seed, most=20):
    generator = np.random.default_rng(seed)
    return generator.choice(WORDS, generator.integers(1, most)).tolist()


def text(seed):
    return " ".join(some_words(seed))


def sentences(count, document_size=1):
    return [
        TaggedSentence(str(i), tuple(some_words(i)), None, i // document_size)
        for i in range(count)
    ]


CONFIG = small_config(num_hidden_layers=1)
# Arguments of the encoding and of the model, and examples; most are longer than a
# window.
CASES = {
    "classification": (
        {"max_length": 12, "labels": ("no", "yes", "maybe"), "stride": 5},
        {"num_outputs": 3},
        [TextExample(str(i), text(i), None, None) for i in range(7)],
    ),
    "regression": (
        {"max_length": 16, "labels": None},
        {"num_outputs": 1},
        [TextExample(str(i), text(i), text(50 + i), None) for i in range(7)],
    ),
    "token_tagging": (
        {"max_length": 10, "labels": LABELS, "stride": 4},
        {"num_outputs": 3},
        sentences(7),
    ),
    "span_qa": (
        {"max_length": 16, "stride": 4, "max_question_length": 3},
        {},
        [
            Question(str(i), "", text(50 + i), text(i), (), is_impossible=True)
            for i in range(7)
        ],
    ),
    "multiple_choice": (
        {"max_length": 16, "group_size": 2},
        {"num_choices": 2},
        [ChoiceExample(str(i), text(i), (text(9 + i), "on"), None) for i in range(7)],
    ),
    "correction": (
        {"max_length": 10, "stride": 4},
        {},
        [CorrectionExample(str(i), text(i), ()) for i in range(7)],
    ),
}


def predictor(kind, **arguments):
    encoding, model, _ = CASES[kind]
    set_seed(0)
    made = KINDS[kind].model(CONFIG, **model, name="model")
    randomize(made)
    return Predictor(
        kind,
        made,
        KINDS[kind].encoding(TOKENIZER, **encoding),
        **arguments,
    )


def numbers(answer):
    """What is nearly the same, whatever else is in the batch."""
    if hasattr(answer, "best"):
        found = [(g.score, g.probability) for g in answer.best]
        return [answer.no_answer_score, *itertools.chain(*found)]
    if hasattr(answer, "score"):
        return [answer.score]
    if hasattr(answer, "edits"):
        return [edit.probability for edit in answer.edits]
    return list(answer.probabilities)


def words(answer):
    """What is the same."""
    if hasattr(answer, "best"):
        return [guess.text for guess in answer.best]
    names = ("label", "choice", "tags", "corrected")
    return [getattr(answer, name) for name in names if hasattr(answer, name)]


@pytest.mark.parametrize("kind", CASES)
def test_answers_do_not_depend_on_batches_and_chunks(kind, monkeypatch):
    examples = CASES[kind][2]
    with run_eagerly():
        whole = list(predictor(kind).answers(iter(examples), threshold=0.0))
    assert [example for example, _ in whole] == examples
    small = functools.partial(batches.chunks_of, size=3)
    monkeypatch.setattr(batches, "chunks_of", small)
    traces = []

    def counted(*arguments):
        traces.append(1)
        return KINDS[kind].decode(*arguments)

    counting = {kind: dataclasses.replace(KINDS[kind], decode=counted)}
    monkeypatch.setattr(predictor_module, "KINDS", counting)
    model = predictor(kind, batch_size=2)
    chunks = list(model.chunks(examples))
    assert [len(chunk.examples) for chunk in chunks] == [3, 3, 1]
    parts = [answer for chunk in chunks for _, answer in model.answer(chunk, 0.0)]
    for (_, one), other in zip(whole, parts, strict=True):
        assert words(one) == words(other)
        np.testing.assert_allclose(numbers(other), numbers(one), atol=1e-5)
    assert len({str(words(answer) + numbers(answer)) for _, answer in whole}) == 7
    assert len(traces) == 1


def test_sentences_of_a_document_are_tagged_together(eager):
    alone, together = (
        predictor("token_tagging", document_context=context)
        for context in (False, True)
    )
    given = sentences(6, document_size=3)
    found = list(together.answers(iter(given)))
    assert [sentence for sentence, _ in found] == given
    for sentence, answer in found:
        assert len(answer.tags) == len(answer.probabilities) == len(sentence.words)
        # None is left out: the best of three tags is at least a third.
        assert all(1 / 3 <= p <= 1 for p in answer.probabilities)
    # A document of one sentence has no more context than the sentence.
    for (_, one), (_, other) in zip(
        alone.answers(sentences(3)), together.answers(sentences(3)), strict=True
    ):
        assert one.tags == other.tags
    # The sentences of a document are as if they were one.
    merged = TaggedSentence("", sum((s.words for s in given[:3]), ()), None, 0)
    ((_, one),) = alone.answers([merged])
    assert one.tags == sum((answer.tags for _, answer in found[:3]), ())
    assert isinstance(one, TagsAnswer)


def test_answers_come_as_examples_are_read(eager):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield TextExample(str(taken), "the cat", None, None)

    found = predictor("classification").answers(endless())
    assert next(found)[0].id == "1"
    assert taken == 512
