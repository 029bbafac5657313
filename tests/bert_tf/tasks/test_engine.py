"""The engine by itself: what is decoded, cut, joined, answered, and asked again."""

import dataclasses
import types

import pytest
import tensorflow as tf

from bert_tf.tasks.engine import Engine
from bert_tf.tasks.kinds import KINDS

ENCODING = types.SimpleNamespace(group_size=1)
PAIRS = types.SimpleNamespace(group_size=2)


def origin_of(*examples):
    return {"example": tf.constant(examples, tf.int32)}


def batch_of(*numbers):
    return {"numbers": tf.constant(numbers, tf.float32)}


def halves(batch):
    """Decoded outputs: half of each number, and a row as long as the number."""
    numbers = batch["numbers"]
    return {
        "half": numbers / 2,
        "row": tf.RaggedTensor.from_row_lengths(
            tf.repeat(numbers, tf.cast(numbers, tf.int32)), tf.cast(numbers, tf.int64)
        ),
    }


def engine_of(
    encoding=ENCODING,
    answers=lambda decoded, origin, encoding: decoded,
    refine=None,
    batches_of=None,
    decode=halves,
):
    kind = dataclasses.replace(KINDS["classification"], answers=answers, refine=refine)
    return Engine(kind, encoding, batches_of, decode)


def test_decoded_batches_are_joined_in_their_order():
    batches = [batch_of(2, 0), batch_of(3), batch_of(1, 4)]
    found = engine_of().answer(batches, origin_of(0, 1, 2, 3, 4), None)
    assert found["half"].numpy().tolist() == [1, 0, 1.5, 0.5, 2]
    assert found["row"].to_list() == [[2, 2], [], [3] * 3, [1], [4] * 4]


@pytest.mark.parametrize(
    ("encoding", "examples", "expected"),
    [
        (ENCODING, (0, 0, 1), [1, 1.5, 0.5]),
        # Two sequences of an example are one output.
        (PAIRS, (0, 0, 1, 1), [1, 1.5]),
        (ENCODING, (), []),
    ],
)
def test_outputs_of_more_sequences_than_there_are_do_not_count(
    encoding, examples, expected
):
    given = []

    def answers(decoded, origin, used):
        given.append(used)
        return {**decoded, "example": origin["example"]}

    engine = engine_of(encoding, answers)
    found = engine.answer([batch_of(2, 3), batch_of(1, 9)], origin_of(*examples), None)
    assert found["half"].numpy().tolist() == expected
    assert found["row"].to_list() == [[2 * x] * int(2 * x) for x in expected]
    assert found["example"].numpy().tolist() == list(examples)
    assert given == [encoding]


def test_one_trace_for_all_numbers_of_sequences():
    traces = []

    def answers(decoded, origin, encoding):
        traces.append(1)
        return decoded

    engine = engine_of(answers=answers)
    for count in (1, 3, 2):
        numbers = range(1, count + 1)
        found = engine.answer([batch_of(*numbers)], origin_of(*range(count)), None)
        assert found["half"].numpy().tolist() == [n / 2 for n in numbers]
    assert len(traces) == 1


@pytest.mark.parametrize("threshold", [None, 0.25])
def test_refinement_asks_again_the_whole_way(threshold):
    """Columns of strings to batches, outputs and answers, as often as it likes."""
    asked = []

    def batches_of(columns):
        texts = columns["text"].numpy().tolist()
        asked.append(texts)
        sizes = [len(text) for text in texts]
        return [batch_of(*sizes)], origin_of(*range(len(sizes)))

    def refine(first, correct, given):
        assert given == threshold
        once = correct({"text": tf.constant(["abc"])})
        twice = correct({"text": tf.constant(["", "ab"])})
        return [values["half"].numpy().tolist() for values in (first, once, twice)]

    engine = engine_of(refine=refine, batches_of=batches_of)
    found = engine.answer([batch_of(8)], origin_of(0), threshold)
    assert found == [[4], [1.5], [0, 1]]
    assert asked == [[b"abc"], [b"", b"ab"]]


def test_without_refinement_the_threshold_is_of_no_account():
    def batches_of(columns):
        raise AssertionError("Nothing is asked again.")

    engine = engine_of(batches_of=batches_of)
    for threshold in (None, 0.9):
        found = engine.answer([batch_of(3)], origin_of(0), threshold)
        assert found["half"].numpy().tolist() == [1.5], threshold
