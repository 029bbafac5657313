"""Scores the baselines of each kind on the development set of a dataset."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from bert_tf.baselines import counts
from bert_tf.tasks.kind import Task
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets.sources import Dataset
from data_pipelines.programs.extras import extra

# Maps a dataset, training examples and examples to answer to the answers.
Baseline = Callable[[Dataset, Sequence[Any], Sequence[Any]], Sequence[Any]]

# Beyond this, fitting the linear model takes minutes.
_MAX_EXAMPLES = 100_000


def _linear(function: Callable[[ModuleType], Baseline]) -> Baseline:
    """A baseline of the module `tfidf`, which is imported when it is called."""

    def answers(dataset: Dataset, train: Sequence, dev: Sequence) -> Sequence:
        with extra("finetune"):
            from bert_tf.baselines import tfidf
        return function(tfidf)(dataset, train, dev)

    return answers


_BASELINES: Mapping[str, Mapping[str, Baseline]] = {
    "classification": {
        "most frequent class": counts.most_frequent_class,
        "TF-IDF + linear": _linear(lambda tfidf: tfidf.classify),
    },
    "regression": {
        "mean": counts.mean_score,
        "TF-IDF + linear": _linear(lambda tfidf: tfidf.regress),
    },
    "token_tagging": {"most frequent tag of each word": counts.frequent_tags},
    "span_qa": {},
    "multiple_choice": {
        "most frequent position": counts.most_frequent_place,
        "TF-IDF + linear": _linear(lambda tfidf: tfidf.choose),
    },
    "correction": {
        "no change": counts.no_change,
        "most frequent replacement of each word": counts.frequent_replacements,
    },
}


def baseline_scores(
    dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]
) -> dict[str, dict[str, float]]:
    """Metrics of each baseline, by name; question answering has no baseline.

    Raises:
        ImportError: the extra `finetune` is not installed.
    """
    kind, task = KINDS[dataset.kind], Task(dataset.labels, dataset.metrics)
    train = train[:_MAX_EXAMPLES]
    return {
        name: kind.score(dev, baseline(dataset, train, dev), task)
        for name, baseline in _BASELINES[dataset.kind].items()
    }
