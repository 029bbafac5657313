import dataclasses

import pytest

from bert_tf.baselines import counts
from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.datasets.examples import (
    ChoiceExample,
    CorrectionExample,
    TaggedSentence,
    TextExample,
)

TEXTS, SCORES = DATASETS["glue/sst2"], DATASETS["glue/stsb"]
CHOICES, TAGS, CORRECTIONS = DATASETS["swag"], DATASETS["conll2003"], DATASETS["jfleg"]


def texts(*labels):
    return [TextExample("", "a", None, label) for label in labels]


def test_most_frequent_class():
    dataset = dataclasses.replace(TEXTS, labels=("0", "1", "2", "3"))
    answers = counts.most_frequent_class(
        dataset, texts("2", "0", "2", "1"), texts(0, 1)
    )
    assert [answer.label for answer in answers] == ["2", "2"]
    assert [list(answer.probabilities) for answer in answers] == [
        [0.25, 0.25, 0.5, 0]
    ] * 2


def test_most_frequent_place():
    examples = [ChoiceExample("", "a", ("b",) * 4, label) for label in (2, 0, 2)]
    answers = counts.most_frequent_place(CHOICES, examples, examples[:1])
    assert [answer.choice for answer in answers] == [2]
    assert answers[0].probabilities == pytest.approx([1 / 3, 0, 2 / 3, 0])


def test_mean_score():
    answers = counts.mean_score(SCORES, texts(1.0, 2.0, 6.0), texts(0, 0))
    assert [answer.score for answer in answers] == [3.0, 3.0]


def replaced(pairs, texts):
    train = [CorrectionExample("", text, (corrected,)) for text, corrected in pairs]
    dev = [CorrectionExample("", text, ()) for text in texts]
    unchanged = [
        answer.corrected for answer in counts.no_change(CORRECTIONS, train, dev)
    ]
    assert unchanged == texts
    answers = counts.frequent_replacements(CORRECTIONS, train, dev)
    return [answer.corrected for answer in answers]


def test_frequent_replacements():
    pairs = [
        ("Teh cat, teh dog", "The cat, the dog"),
        ("teh end", "the end"),
        # As often right as wrong: it stays.
        ("its fine", "it is fine"),
        ("its end", "its end"),
        ("of of it", "of it"),
    ]
    texts = ["teh end of  teh", "its (teh)", "Teh of"]
    assert replaced(pairs, texts) == ["the end of  the", "its (the)", "The of"]
    assert replaced([("措折", "挫折")], ["不怕措折"]) == ["不怕挫折"]
    assert replaced([], ["a"]) == ["a"]


def tagged(words, tags, others):
    train = [
        TaggedSentence("", tuple(w), tuple(t), 0)
        for w, t in zip(words, tags, strict=True)
    ]
    dev = [TaggedSentence("", tuple(words), None, 0) for words in others]
    return [answer.tags for answer in counts.frequent_tags(TAGS, train, dev)]


def test_frequent_tags():
    words = [["Rome", "is", "old"], ["Rome", "is"], ["Rome"]]
    tags = [["B-LOC", "O", "O"], ["B-LOC", "O"], ["B-ORG"]]
    found = tagged(words, tags, [["Rome", "was", "old"], []])
    assert found == [("B-LOC", "O", "O"), ()]
    # Equally frequent: by the alphabet, whatever comes first.
    assert tagged([["a", "a"]], [["Y", "X"]], [["a", "b"]]) == [("X", "X")]
