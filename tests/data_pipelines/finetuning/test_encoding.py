import pytest

from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.batches import num_groups
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.finetuning.encoding import encode_all
from tests.data_pipelines.finetuning.texts import TOKENIZER

ENCODING = ClassificationEncoding(TOKENIZER, 12, ("no", "yes"))


def examples(count):
    return [
        TextExample(str(i), " ".join("abcdefghi"[: 1 + i % 9]), None, "yes")
        for i in range(count)
    ]


def test_encode_all_reads_in_chunks():
    features = encode_all(ENCODING, iter(examples(1100)))
    assert num_groups(features) == 1100
    assert num_groups(features, group_size=4) == 275
    lengths = features["token_ids"].row_lengths().numpy()
    assert lengths.tolist() == [3 + i % 9 for i in range(1100)]


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="Received no training examples"):
        encode_all(ENCODING, [])
