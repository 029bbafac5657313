import numpy as np
import pytest
import tensorflow as tf

from bert_tf.tasks.span_answers import (
    MAX_ANSWER_TOKENS,
    NUM_BEST,
    decode_spans,
    read_span_answers,
    span_answers,
)
from bert_tf.tasks.span_qa import SpanQAObjective
from data_pipelines.datasets.examples import Question

WINDOWS, WIDTH, SECOND = 4, 64, 5
GENERATOR = np.random.default_rng(0)
# The last window has no token of the context but one.
LENGTHS = [64, 50, 20, 7]


def logits_and_batch(may_start_width=WIDTH):
    logits = {
        name: GENERATOR.normal(size=(WINDOWS, WIDTH)).astype("float32")
        for name in ("start", "end")
    }
    may_start = np.full((WINDOWS, may_start_width), -1, np.int32)
    for window, length in enumerate(LENGTHS):
        for values in logits.values():
            values[window, length:] = -1e9
        may_start[window, :length] = 0
        context = slice(SECOND, length - 1)
        may_start[window, context] = GENERATOR.integers(0, 2, length - 1 - SECOND)
    may_start[3, SECOND] = 1
    batch = {
        "may_start": may_start,
        "second_starts": np.full(WINDOWS, SECOND, np.int32),
        "lengths": np.array(LENGTHS, np.int32),
    }
    return logits, batch


def best_spans(logits, batch, window):
    """All spans that may be an answer, the best first."""
    last = LENGTHS[window] - 2
    spans = [
        (logits["start"][window, start] + logits["end"][window, end], start, end)
        for start in range(SECOND, last + 1)
        for end in range(start, min(start + MAX_ANSWER_TOKENS, last + 1))
        if batch["may_start"][window, start] == 1
    ]
    return sorted(spans, reverse=True)[:NUM_BEST]


def span_answer(context, decoded, token_starts, token_ends):
    """The answer to one question."""
    types = {"scores": tf.float32, "null_scores": tf.float32}
    answers = span_answers(
        {k: tf.constant(v, types.get(k, tf.int32)) for k, v in decoded.items()},
        {
            "example": tf.zeros(len(token_starts), tf.int32),
            "token_starts": tf.ragged.constant(token_starts, tf.int32, ragged_rank=1),
            "token_ends": tf.ragged.constant(token_ends, tf.int32, ragged_rank=1),
            "contexts": tf.constant([context]),
            "truncated": tf.zeros(len(token_starts), tf.bool),
        },
    )
    question = Question("", "", "", context, (), False)
    (answer,) = read_span_answers(answers, [question])
    return answer


decoded_in_graph = tf.function(decode_spans, reduce_retracing=True, autograph=False)


def test_decoding_equals_a_search_over_all_spans():
    logits, batch = logits_and_batch()
    decoded = decoded_in_graph(logits, batch)
    for window in range(WINDOWS):
        expected = best_spans(logits, batch, window)
        scores = decoded["scores"][window].numpy()
        count = len(expected)
        np.testing.assert_allclose(scores[:count], [s for s, _, _ in expected], 1e-5)
        assert (scores[count:] < -1e8).all()
        found = zip(
            decoded["starts"][window].numpy()[:count].tolist(),
            decoded["ends"][window].numpy()[:count].tolist(),
            strict=True,
        )
        assert list(found) == [(start, end) for _, start, end in expected]
    assert len(best_spans(logits, batch, 3)) == 1
    nulls = logits["start"][:, 0] + logits["end"][:, 0]
    np.testing.assert_allclose(decoded["null_scores"], nulls, rtol=1e-6)


def test_features_narrower_than_the_rows():
    # In evaluation they are as wide as the longest sequence of the batch.
    logits, batch = logits_and_batch()
    short = {name: values[1:] for name, values in batch.items()}
    narrow = {**short, "may_start": short["may_start"][:, :50]}
    logits = {name: values[1:] for name, values in logits.items()}
    one, other = decode_spans(logits, short), decode_spans(logits, narrow)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_a_window_without_context():
    logits, batch = logits_and_batch()
    batch["may_start"][:] = 0
    decoded = decode_spans(logits, batch)
    assert (decoded["scores"].numpy() < -1e8).all()
    answer = span_answer(
        "",
        {name: np.asarray(v)[:1] for name, v in decoded.items()},
        [np.array([], int)],
        [np.array([], int)],
    )
    assert answer.best == ()
    assert answer.text(None) == answer.text(0.0) == ""
    assert answer.no_answer_score > 1e8


def test_losses_equal_a_hand_computation():
    logits = {
        "start": tf.constant([[1.0, 2, 0], [0, 0, -1e9]]),
        "end": tf.constant([[0.0, 1, 3], [2, 1, -1e9]]),
    }
    batch = {"start": tf.constant([1, 0]), "end": tf.constant([2, 1])}

    def loss(values, label):
        return np.log(np.exp(values).sum()) - values[label]

    starts = loss(np.array([1.0, 2, 0]), 1) + loss(np.zeros(2), 0)
    ends = loss(np.array([0.0, 1, 3]), 2) + loss(np.array([2.0, 1]), 1)
    sums = SpanQAObjective().sums(logits, batch)
    assert float(sums["loss_per_window"]) == pytest.approx((starts + ends) / 2)
    assert float(sums["exact"]) == 1
    weights = SpanQAObjective().weights(batch)
    assert {name: float(value) for name, value in weights.items()} == {
        "loss_per_window": 2,
        "exact": 2,
    }


def decoded_rows(*windows, second_starts=2):
    """Windows of (score, start, end), and the score of no answer."""
    rows = {"starts": [], "ends": [], "scores": [], "null_scores": []}
    for null_score, *spans in windows:
        missing = NUM_BEST - len(spans)
        spans = np.array([*spans, *[(-2e9, 0, 0)] * missing])
        rows["scores"].append(spans[:, 0])
        rows["starts"].append(spans[:, 1].astype(int))
        rows["ends"].append(spans[:, 2].astype(int))
        rows["null_scores"].append(null_score)
    rows["second_starts"] = [second_starts] * len(windows)
    return {name: np.array(values) for name, values in rows.items()}


# A word a token: bytes of `é bé c é bé`, and of its last three words.
CONTEXT = "é bé c é bé"
STARTS = [np.array([0, 3, 7, 9, 12]), np.array([7, 9, 12])]
ENDS = [np.array([2, 6, 8, 11, 15]), np.array([8, 11, 15])]


def test_answers_are_merged_over_the_windows():
    decoded = decoded_rows(
        (0.5, (3.0, 3, 3), (2.0, 2, 2), (1.0, 4, 4)),
        (0.25, (4.0, 3, 4), (3.5, 3, 3), (0.0, 4, 4)),
    )
    answer = span_answer(CONTEXT, decoded, STARTS, ENDS)
    found = [(guess.text, guess.start, guess.end, guess.score) for guess in answer.best]
    # Each text once: where its best span is.
    assert found == [
        ("é bé", 7, 11, 4.0),
        ("é", 7, 8, 3.5),
        ("bé", 2, 4, 3.0),
        ("c", 5, 6, 1.0),
    ]
    for guess in answer.best:
        assert CONTEXT[guess.start : guess.end] == guess.text
    # The window that is most sure of an answer says how unlikely none is.
    assert answer.no_answer_score == 0.25 - 4
    scores = np.exp([4, 3.5, 3, 1, 0.25])
    shares = scores[:4] / scores.sum()
    np.testing.assert_allclose([g.probability for g in answer.best], shares, rtol=1e-6)


def test_of_equal_scores_the_first_in_the_text():
    decoded = decoded_rows((0.0, (1.0, 4, 4), (1.0, 3, 3), (1.0, 3, 4)))
    answer = span_answer(CONTEXT, decoded, STARTS[:1], ENDS[:1])
    assert [g.text for g in answer.best] == ["bé", "bé c", "c"]


def test_a_token_without_text_is_no_answer():
    """A piece of SentencePiece may be a space alone, which its offsets exclude."""
    decoded = decoded_rows((0.0, (3.0, 3, 3), (2.0, 3, 4), (1.0, 2, 2)))
    starts, ends = [np.array([0, 3, 4])], [np.array([2, 3, 6])]
    answer = span_answer("é bé", decoded, starts, ends)
    assert [(guess.text, guess.score) for guess in answer.best] == [
        ("bé", 2.0),
        ("é", 1.0),
    ]
    assert answer.no_answer_score == -2.0
    only = decoded_rows((0.0, (3.0, 3, 3)))
    assert span_answer("é bé", only, starts, ends).best == ()


def test_no_more_guesses_than_the_best():
    decoded = decoded_rows(*[(0.0, *[(0.0, 2 + i, 2 + i) for i in range(20)])] * 2)
    text = " ".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    starts = [np.arange(0, 40, 2), np.arange(40, 80, 2)]
    answer = span_answer(text, decoded, starts, [s + 1 for s in starts])
    assert len(answer.best) == NUM_BEST
    assert len({guess.text for guess in answer.best}) == NUM_BEST


def test_threshold():
    decoded = decoded_rows((3.0, (1.0, 4, 4)))
    answer = span_answer(CONTEXT, decoded, STARTS[:1], ENDS[:1])
    assert answer.no_answer_score == 2
    assert answer.text(None) == answer.text(2.0) == "c"
    assert answer.text(1.99) == ""
