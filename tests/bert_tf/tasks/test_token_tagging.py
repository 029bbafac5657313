import pytest
import tensorflow as tf

from bert_tf.tasks.entities import entity_tensors
from bert_tf.tasks.kind import Lengths, Task
from bert_tf.tasks.token_tagging import TOKEN_TAGGING
from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.sources import Dataset
from data_pipelines.finetuning.token_tagging import TokenTaggingEncoding
from data_pipelines.tokenizers.words import split_words
from tests.data_pipelines.finetuning.texts import TOKENIZER


def sentence(words):
    return TaggedSentence("0", tuple(words.split()), None, 0)


def encoding(**arguments):
    return TokenTaggingEncoding(TOKENIZER, 16, ("O",), 7, **arguments)


def test_what_a_tagger_learns_of_its_words():
    learned = TOKEN_TAGGING.learned_arguments
    assert learned([sentence("我 在 北 京"), sentence("IBM 。")]) == {"single": ["Han"]}
    assert learned([sentence("我 在 北京 工作")]) == {"single": []}
    assert learned([sentence("He left IBM")]) == {"single": []}


def test_a_tagger_from_elsewhere_has_ideographs_alone():
    lengths = Lengths(16, None, 0, False)
    dataset = Dataset(
        name="",
        kind="token_tagging",
        metrics=(),
        splits={},
        reader=None,
        labels=("O",),
    )
    arguments = TOKEN_TAGGING.encoding_arguments(lengths, dataset)
    assert arguments["single"] == ["Han"]
    # A folder that was written before does not say.
    assert encoding().single == ()


@pytest.mark.parametrize(
    ("single", "line", "words"),
    [
        (["Han"], "我在IBM工作。", "我 在 IBM 工 作 。"),
        ([], "我在IBM工作。", "我在IBM工作 。"),
        (["Han"], "He left IBM.", "He left IBM ."),
    ],
)
def test_a_line_and_a_served_text_have_the_same_words(single, line, words):
    _, example = TOKEN_TAGGING.read_line("3", line, Task(None, ()))
    prepared = TOKEN_TAGGING.prepare(encoding(single=single), example)
    assert prepared.words == tuple(words.split())
    served, _, _ = split_words(tf.constant([line]), single)
    assert [word.decode() for word in served.values.numpy()] == words.split()


def test_given_words_stay():
    example = sentence("我在 北京")
    assert TOKEN_TAGGING.prepare(encoding(single=["Han"]), example) is example


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("He left IBM.", "O O B-ORG O", "IBM"),
        ('He left IBM."', "O O B-ORG O O", "IBM"),
        ("en e\u0301te\u0301.", "O B-X O", "e\u0301te\u0301"),
        ("(में)", "O B-X O", "में"),
        ("we ♥\ufe0f!", "O B-X O", "♥\ufe0f"),
    ],
)
def test_entities_are_whole_words(text, tags, expected):
    texts = tf.constant([text])
    _, starts, ends = split_words(texts)
    tagged = {
        "tags": starts.with_values(tf.constant(tags.split())),
        "probabilities": starts.with_values(tf.ones(len(tags.split()))),
    }
    found = entity_tensors(texts, tagged, starts, ends)["entities"].to_list()
    assert [entity.decode() for entity in found[0]] == [expected]
