import sys
from typing import get_args

import pytest

from bert_tf.baselines import scores
from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.datasets.examples import TaggedSentence, TextExample
from data_pipelines.datasets.sources import TaskKind


def test_every_kind_has_its_baselines():
    assert set(scores._BASELINES) == set(get_args(TaskKind))
    assert scores.baseline_scores(DATASETS["squad/v1.1"], [], []) == {}


def test_scores_by_name():
    train = [
        TextExample("", f"{word} film", None, label)
        for word, label in [("good", "1"), ("bad", "0"), ("fine", "1")] * 4
    ]
    found = scores.baseline_scores(DATASETS["glue/sst2"], train, train[:3])
    assert found == {
        "most frequent class": {"accuracy": pytest.approx(2 / 3)},
        "TF-IDF + linear": {"accuracy": 1.0},
    }


def test_without_scikit_learn(monkeypatch):
    monkeypatch.delitem(sys.modules, "bert_tf.baselines.tfidf", raising=False)
    monkeypatch.delattr("bert_tf.baselines.tfidf", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    text = TextExample("", "a", None, "1")
    with pytest.raises(ImportError, match=r"sklearn.*bert-tf\[finetune\]"):
        scores.baseline_scores(DATASETS["glue/sst2"], [text], [text])
    # Tags are counted without it.
    sentence = TaggedSentence("", ("a",), ("O",), 0)
    assert scores.baseline_scores(DATASETS["conll2003"], [sentence], [sentence])
