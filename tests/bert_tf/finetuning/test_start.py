import pytest

from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.finetuning.start import describe
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.sources import Dataset
from tests.bert_tf.small_models import small_config

LABELS = {"classification": ("a", "b"), "regression": None}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("second", [None, "b"])
@pytest.mark.parametrize("asks", [True, False])
def test_texts_are_compared_where_the_config_asks_and_there_are_two(kind, second, asks):
    dataset = Dataset(
        name="mine",
        kind=kind,
        metrics=(),
        splits={},
        reader=None,
        labels=LABELS[kind],
    )
    config = small_config(compares_texts=asks)
    lengths = KINDS[kind].lengths(config.max_sequence_length)
    train = [TextExample("0", "a", second, "a")]
    found = describe(dataset, config, Description(PRETRAINING), lengths, train)
    assert found.pairs == (second is not None)
    assert found.head.get("compares_texts", False) == (asks and second is not None)
