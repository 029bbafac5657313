import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.metrics.classification import LabelScores
from bert_tf.metrics.entities import (
    entities,
    entity_scores,
    entity_scores_by_type,
    token_accuracy,
)
from tests.reference.conlleval import conlleval

# With tags that IOB2 forbids, such as I-PER after O or after B-LOC.
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-EVENT-X", "I-EVENT-X"]
SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("O I-PER I-PER", [("PER", 1, 3)]),
        ("B-PER I-LOC I-LOC", [("PER", 0, 1), ("LOC", 1, 3)]),
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
    ],
)
def test_entities(tags, expected):
    assert entities(tuple(tags.split())) == expected


def test_scores_by_hand():
    labels = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "O"]]
    # One right, one of the wrong length, one of the wrong type, one invented.
    predictions = [["B-PER", "I-PER", "O", "B-ORG"], ["B-ORG", "I-ORG"]]
    values = entity_scores(labels, predictions)
    assert values == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "token_accuracy": 4 / 6}
    )
    assert entity_scores_by_type(labels, predictions) == {
        "LOC": LabelScores(0.0, 0.0, 0.0, 1),
        "ORG": LabelScores(0.0, 0.0, 0.0, 1),
        "PER": LabelScores(1.0, 1.0, 1.0, 1),
    }


def test_entities_do_not_cross_sentences():
    # As tuples, too, which seqeval alone would take for something else.
    labels = (("O", "B-PER"), ("I-PER", "O"))
    assert entity_scores(labels, labels)["f1"] == 1
    assert entity_scores_by_type(labels, labels)["PER"].support == 2


@pytest.mark.parametrize("predicted", ["O", "B-PER"])
def test_without_entities_scores_are_zero(predicted):
    labels = [["O", "O"]]
    values = entity_scores(labels, [["O", predicted]])
    assert (values["precision"], values["recall"], values["f1"]) == (0, 0, 0)


@settings(max_examples=300, deadline=None)
@given(SENTENCES)
def test_equals_conlleval(sentences):
    labels = [[label for label, _ in sentence] for sentence in sentences]
    predictions = [[guess for _, guess in sentence] for sentence in sentences]
    correct, guessed, gold, accuracy = conlleval(labels, predictions)
    values = entity_scores(labels, predictions)
    assert values["token_accuracy"] == pytest.approx(accuracy)
    assert values == pytest.approx(
        _prf(*(sum(counts.values()) for counts in (correct, guessed, gold)))
        | {"token_accuracy": accuracy}
    )
    by_type = entity_scores_by_type(labels, predictions)
    assert set(by_type) == set(guessed) | set(gold)
    for kind, found in by_type.items():
        counts = (part.get(kind, 0) for part in (correct, guessed, gold))
        expected = _prf(*counts)
        assert found.precision == pytest.approx(expected["precision"])
        assert found.recall == pytest.approx(expected["recall"])
        assert found.f1 == pytest.approx(expected["f1"])
        assert found.support == gold.get(kind, 0)


def _prf(correct, guessed, gold):
    return {
        "precision": correct / guessed if guessed else 0.0,
        "recall": correct / gold if gold else 0.0,
        "f1": 2 * correct / (guessed + gold) if guessed + gold else 0.0,
    }


def test_accuracy_of_other_tags():
    assert token_accuracy([["NOUN", "VERB"]], [["NOUN", "ADJ"]]) == 0.5


@pytest.mark.parametrize(
    "function", [entity_scores, entity_scores_by_type, token_accuracy]
)
def test_lengths_differ(function):
    with pytest.raises(ValueError, match="1 label sequences and 2"):
        function([["O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match="Sentence 0 has 1 labels and 2"):
        function([["O"]], [["O", "O"]])


@pytest.mark.parametrize("tag", ["NOUN", "PER", "E-PER", "B", "B-", ""])
def test_tag_of_another_scheme(tag):
    for function in (entity_scores, entity_scores_by_type):
        with pytest.raises(ValueError, match="Expected the IOB2"):
            function([["O"]], [[tag]])
    with pytest.raises(ValueError, match="Expected the IOB2"):
        entities([tag])


def test_no_words():
    with pytest.raises(ValueError, match="no words"):
        token_accuracy([], [])
