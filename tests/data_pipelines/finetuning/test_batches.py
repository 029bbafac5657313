import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.datasets.examples import (
    ChoiceExample,
    Question,
    TaggedSentence,
    TextExample,
)
from data_pipelines.finetuning import batches as finetuning
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.finetuning.multiple_choice import MultipleChoiceEncoding
from data_pipelines.finetuning.span_qa import SpanQAEncoding
from data_pipelines.finetuning.token_tagging import TokenTaggingEncoding
from tests.data_pipelines.finetuning.texts import TOKENIZER, VOCABULARY

ENCODING = ClassificationEncoding(TOKENIZER, 12, ("no", "yes"))


def sequences(count, seed=0):
    """Sequences of different lengths, whose label is their number."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(2, 9, count)
    return {
        "token_ids": tf.RaggedTensor.from_row_lengths(
            tf.constant(generator.integers(5, 50, lengths.sum()), tf.int32), lengths
        ),
        "second_starts": tf.constant(lengths, tf.int32),
        "label": tf.range(count),
    }


def batches(count, **arguments):
    values = {"batch_size": 4, "row_length": 8, "seed": 0, **arguments}
    num_batches = values.pop("num_batches", -1)
    dataset = finetuning.training_batches(sequences(count), VOCABULARY, **values)
    return dataset.take(num_batches)


def labels(dataset):
    return [batch["label"].tolist() for batch in dataset.as_numpy_iterator()]


@pytest.fixture
def unpacked(monkeypatch):
    """Batches have the labels alone: enough to see the order, and soon made."""

    def label_of(features, *_, **__):
        return {"label": features["label"]}

    monkeypatch.setattr(finetuning, "pack_batch", label_of)


def drawn(count, num_examples, **arguments):
    """The labels of the first examples that are drawn."""
    dataset = batches(
        count, batch_size=10, num_batches=-(-num_examples // 10), **arguments
    )
    return list(itertools.chain(*labels(dataset)))[:num_examples]


# --- Training.


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 37])
def test_every_epoch_has_each_example_once(count):
    found = drawn(count, 3 * count)
    epochs = [found[i : i + count] for i in range(0, 3 * count, count)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    if count > 6:
        assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
        assert epochs[0] != list(range(count))


@pytest.mark.usefixtures("unpacked")
def test_the_orders_of_a_few_examples_are_all_drawn():
    found = drawn(3, 3 * 100)
    orders = {tuple(found[i : i + 3]) for i in range(0, len(found), 3)}
    assert len(orders) == 6


@pytest.mark.usefixtures("unpacked")
def test_the_seed_makes_the_order():
    assert drawn(20, 40, seed=1) == drawn(20, 40, seed=1) != drawn(20, 40, seed=2)


def test_a_batch_has_the_sequences_that_were_drawn():
    features = sequences(9)
    rows = features["token_ids"].to_list()
    for batch in batches(9, num_batches=5).as_numpy_iterator():
        flat = batch["token_ids"].reshape(-1)
        for label, first, length in zip(
            batch["label"], batch["first_tokens"], batch["lengths"], strict=True
        ):
            assert flat[first : first + length].tolist() == rows[label]


def test_there_is_no_last_batch():
    assert batches(5).cardinality() == tf.data.INFINITE_CARDINALITY


def test_sequences_of_an_example_stay_together():
    found = labels(batches(12, group_size=3, batch_size=2, num_batches=4))
    assert all(len(batch) == 6 for batch in found)
    groups = [batch[i : i + 3] for batch in found for i in (0, 3)]
    assert all(g == [g[0], g[0] + 1, g[0] + 2] and g[0] % 3 == 0 for g in groups)
    assert sorted(g[0] // 3 for g in groups[:4]) == [0, 1, 2, 3]
    assert sorted(g[0] // 3 for g in groups[4:]) == [0, 1, 2, 3]


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize("num_shards", [2, 3])
def test_shards_are_the_parts_of_each_batch(num_shards):
    whole = labels(batches(11, batch_size=6, num_batches=5))
    parts = [
        labels(
            batches(
                11,
                batch_size=6,
                num_batches=5,
                num_shards=num_shards,
                shard_index=index,
            )
        )
        for index in range(num_shards)
    ]
    for number, batch in enumerate(whole):
        assert [part[number] for part in parts] == [
            batch[index::num_shards] for index in range(num_shards)
        ]


def test_a_saved_iterator_goes_on_exactly(tmp_path):
    dataset = batches(11)
    undisturbed = labels(dataset.take(9))
    iterator = iter(dataset)
    found = [next(iterator)["label"].numpy().tolist() for _ in range(4)]
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "step"))
    iterator = iter(batches(11))
    tf.train.Checkpoint(iterator=iterator).restore(path)
    found += [next(iterator)["label"].numpy().tolist() for _ in range(5)]
    assert found == undisturbed


def test_pad_to_bucket():
    shapes = {batch["token_ids"].shape for batch in batches(64, batch_size=16).take(50)}
    assert {shape[1] for shape in shapes} == {8}
    assert {shape[0] for shape in shapes} <= {6, 7, 8, 10, 12, 14, 16}


def test_ragged_features_are_filled_up():
    features = sequences(3)
    words = tf.ragged.constant([[1], [], [1, 2]], tf.int32, ragged_rank=1)
    features["word_positions"] = words
    wide = finetuning.pack_batch(features, VOCABULARY, row_length=8, pad_to_bucket=True)
    assert wide["word_positions"].shape == (3, 8)
    assert wide["word_positions"].numpy()[2].tolist() == [1, 2] + [-1] * 6
    narrow = finetuning.pack_batch(features, VOCABULARY, row_length=8)
    assert narrow["word_positions"].numpy().tolist() == [[1, -1], [-1, -1], [1, 2]]
    lengths = features["token_ids"].row_lengths().numpy()
    assert narrow["lengths"].numpy().tolist() == lengths.tolist()


def test_row_length():
    features = sequences(10)
    features["token_ids"] = tf.ragged.constant([[1] * 9, [1]], tf.int32)
    assert finetuning.row_length_of(features, 128) == 16
    assert finetuning.row_length_of(features, 12) == 12


def test_as_fit_inputs():
    batch = next(iter(batches(5)))
    inputs, label = finetuning.as_fit_inputs(batch)
    assert set(inputs) == {*finetuning.PACKED_INPUTS, "lengths"}
    assert label is batch["label"]


# --- From examples.


def examples(count):
    return [
        TextExample(str(i), " ".join("abcdefghi"[: 1 + i % 9]), None, "yes")
        for i in range(count)
    ]


def evaluation_chunks(encoding, examples, batch_size):
    batches_of = finetuning.batch_maker(encoding, batch_size)
    return finetuning.evaluation_chunks(encoding, examples, batches_of)


def test_evaluation_has_every_example_once_in_order():
    given = examples(1000)
    chunks = list(evaluation_chunks(ENCODING, iter(given), batch_size=100))
    assert [example for chunk in chunks for example in chunk.examples] == given
    assert [len(chunk.batches) for chunk in chunks] == [6, 5]
    assert not any("label" in batch for chunk in chunks for batch in chunk.batches)
    lengths = [b["lengths"].numpy() for chunk in chunks for b in chunk.batches]
    assert np.concatenate(lengths).tolist() == [3 + i % 9 for i in range(1000)]
    origins = [chunk.origin["example"].numpy() for chunk in chunks]
    assert [origin.tolist() for origin in origins] == [[*range(512)], [*range(488)]]


def test_evaluation_reads_no_more_than_it_needs():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield TextExample(str(taken), "a b", None, None)

    chunks = evaluation_chunks(ENCODING, endless(), batch_size=64)
    next(chunks)
    assert taken == 512
    next(chunks)
    assert taken == 1024


def test_no_texts_are_an_empty_batch():
    batches_of = finetuning.batch_maker(ENCODING, 2)
    (batch,), origin = batches_of({"first": tf.constant([], tf.string)})
    assert batch["token_ids"].shape[0] == batch["lengths"].shape[0] == 0
    assert origin["example"].shape == [0]


def tagged(count):
    words = ("a", "bc", "d", "efg", "h", "i", "j")
    return [
        TaggedSentence(str(i), words[: 1 + i % 7], ("O",) * (1 + i % 7), i)
        for i in range(count)
    ]


def questions(count):
    context = " ".join("abcdefghijklmnop")
    return [
        Question(str(i), "", "q", context[: 5 + i % 20], (), True) for i in range(count)
    ]


def choices(count):
    return [ChoiceExample(str(i), "a b", ("c", "d e f"), i % 2) for i in range(count)]


KINDS = {
    "classification": (ENCODING, examples),
    "windows": (ClassificationEncoding(TOKENIZER, 8, ("no", "yes"), 3), examples),
    "pairs": (
        ENCODING,
        lambda count: [TextExample("", "a b", "c", "no") for _ in range(count)],
    ),
    "tagging": (TokenTaggingEncoding(TOKENIZER, 8, ("O", "B"), 3), tagged),
    "span_qa": (SpanQAEncoding(TOKENIZER, 12, 4, 4), questions),
    "choices": (MultipleChoiceEncoding(TOKENIZER, 12, 2), choices),
}


class Counting:
    """An encoding that counts how often it is traced."""

    def __init__(self, encoding):
        self.encoding = encoding
        self.traces = 0

    def __getattr__(self, name):
        return getattr(self.encoding, name)

    def encode(self, columns):
        self.traces += 1
        return self.encoding.encode(columns)


@pytest.mark.parametrize("kind", ["classification", "tagging", "span_qa"])
def test_one_trace_for_chunks_and_batches_of_all_sizes(kind, monkeypatch):
    encoding, make = KINDS[kind]
    counting = Counting(encoding)
    packed = []
    pack = finetuning.pack_batch

    def counted(*arguments, **named):
        packed.append(1)
        return pack(*arguments, **named)

    monkeypatch.setattr(finetuning, "pack_batch", counted)
    found = 0
    for chunk in evaluation_chunks(counting, make(1100), batch_size=50):
        for batch in chunk.batches:
            found += len(batch["first_tokens"])
            assert batch["token_ids"].shape[1] <= encoding.max_length
    assert counting.traces == 1
    assert len(packed) == 1
    assert found >= 1100 * encoding.group_size


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_are_trained_on(kind):
    encoding, make = KINDS[kind]
    features, _ = encoding.encode(encoding.columns(make(20)))
    dataset = finetuning.training_batches(
        features,
        VOCABULARY,
        batch_size=4,
        row_length=encoding.max_length,
        seed=0,
        group_size=encoding.group_size,
    )
    spec = dataset.element_spec
    assert spec["token_ids"].shape[1] == encoding.max_length
    batch = next(iter(dataset))
    assert len(batch["first_tokens"]) == 4 * encoding.group_size
    for name in set(features) - {"token_ids"}:
        assert len(batch[name]) == 4 * encoding.group_size
