import pytest

from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import evaluation_report
from bert_tf.report.token_tagging import outcome
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import TaggedSentence
from tests.bert_tf.report.sections import sections_of

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def sentence(words, tags, id="0"):
    words, tags = words.split(), tuple(tags.split())
    return TaggedSentence(id, tuple(words), tags, 0)


def answer(tags, *probabilities):
    tags = tuple(tags.split())
    return TagsAnswer(tags, probabilities or (0.9,) * len(tags))


def cards_of(examples, answers, are_entities=True, labels=LABELS):
    metrics = {"entity_f1": 0.5} if are_entities else {}
    evaluation = Evaluation("token_tagging", metrics, examples, answers, labels)
    html = sections_of(evaluation_report("", facts={}, evaluation=evaluation))
    assert html.pop("On these examples")
    return html, html["Sentences"].split('class="card"')[1:]


def test_entities_are_marked_and_mistakes_come_first():
    examples = [
        sentence("Ann Lee saw Rome", "B-PER I-PER O B-LOC", "a"),
        sentence("Ann <b> left", "B-PER I-PER O", "b"),
        sentence("Rome fell", "B-LOC O", "c"),
    ]
    answers = [
        answer("B-PER I-PER O B-LOC"),
        answer("B-PER O O", 0.9, 0.6, 0.9),
        answer("B-PER O", 0.8, 0.9),
    ]
    html, cards = cards_of(examples, answers)
    assert [card.split('class="id">')[1][0] for card in cards] == ["c", "b", "a"]
    assert "probability 80.0%" in cards[0]
    missed = '<mark class="missed">Rome<small> LOC\u00a0missed</small></mark> fell'
    wrong = '<mark class="wrong">Rome<small> PER\u00a0✗</small></mark> fell'
    assert missed in cards[0]
    assert wrong in cards[0]
    assert "Ann &lt;b&gt;<small> PER" in cards[1]
    found = '<mark class="right">Ann Lee<small> PER\u00a0✓</small></mark> saw'
    assert found in cards[2]
    assert "2 of 3 sentences have mistakes" in html["Sentences"]
    entities = html["Entities"]
    # Of 4 gold entities 2 are found, one has another type, one other ends.
    assert (
        '<td class="number">2 (50.0%)</td><td class="number">2 (50.0%)</td>' in entities
    )
    assert "<td>LOC</td>" in entities


def test_an_entity_that_begins_with_i_is_no_mistake():
    html, cards = cards_of([sentence("Ann", "B-PER")], [answer("I-PER")])
    assert "0 of 1 sentences have mistakes" in html["Sentences"]
    assert "right" in cards[0]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([("PER", 2, 4)], "right"),
        ([("LOC", 2, 4)], "different type"),
        ([("PER", 3, 6)], "different boundaries"),
        ([("LOC", 3, 6)], "different type and boundaries"),
        ([("PER", 4, 6), ("PER", 0, 2)], "no overlap"),
        ([], "no overlap"),
    ],
)
def test_outcome(others, expected):
    assert outcome(("PER", 2, 4), others) == expected


def test_long_sentences_are_cut_round_the_mistake():
    tags = ["O"] * 300
    tags[200] = "B-PER"
    words = [f"w{i}" for i in range(300)]
    example = sentence(" ".join(words), " ".join(tags))
    _, cards = cards_of([example], [answer(" ".join(["O"] * 300))])
    assert "w200<small> PER" in cards[0]
    assert "w10 " not in cards[0]
    assert "w290 " not in cards[0]
    assert "… w180" in cards[0]
    # An entity across the cut is shown as far as it goes.
    tags = ["B-PER"] + ["I-PER"] * 299
    example = sentence(" ".join(words), " ".join(tags))
    _, cards = cards_of([example], [answer(" ".join(["B-PER"] + ["O"] * 299))])
    assert "w69<small> PER\u00a0missed" in cards[0]


def test_tags_that_are_not_of_entities():
    examples = [sentence("dogs bark", "NOUN VERB"), sentence("dogs", "NOUN")]
    answers = [answer("NOUN NOUN"), answer("NOUN")]
    html, cards = cards_of(examples, answers, False, ("NOUN", "VERB", "X"))
    assert list(html) == ["Tags", "Confused tags", "Sentences"]
    wrong = '<mark class="wrong">bark<small> VERB ✗ NOUN</small></mark>'
    assert f"dogs {wrong}" in cards[0]
    assert len(cards) == 2


def test_chinese_words_stand_without_spaces():
    _, cards = cards_of(
        [sentence("王 明 在 北京", "B-PER I-PER O B-LOC")],
        [answer("B-PER I-PER O B-LOC")],
    )
    assert '王明<small> PER\u00a0✓</small></mark>在<mark class="right">北京' in cards[0]
