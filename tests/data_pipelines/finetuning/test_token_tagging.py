import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.finetuning.token_tagging import TokenTaggingEncoding, documents
from tests.data_pipelines.finetuning.texts import TOKENIZER, values, written

LABELS = ("O", "B-X", "I-X")
NOTHING = "\u200d\u200d"  # A word of which normalization leaves no character.


def sentence(words, tags=None, document=0, id="0"):
    words = tuple(words.split(" "))
    tags = None if tags is None else tuple(LABELS[int(tag)] for tag in tags)
    return TaggedSentence(id, words, tags, document)


def encode(*sentences, max_length=12, stride=4):
    encoding = TokenTaggingEncoding(TOKENIZER, max_length, LABELS, stride)
    features, origin = encoding.encode(encoding.columns(sentences))
    return written(features["token_ids"]), {**values(features), **values(origin)}


def test_words_at_their_first_pieces():
    sequences, rest = encode(sentence("ab c def", "012"), sentence("X."))
    assert sequences == ["CLS a ##b c d ##e ##f SEP", "CLS x . SEP"]
    assert rest["word_positions"] == [[1, 3, 4], [1]]
    assert rest["tags"] == [[0, 1, 2], [-1]]
    assert rest["words"] == [[0, 1, 2], [0]]
    assert rest["example"] == [0, 1]
    assert rest["second_starts"] == [8, 4]


def test_words_without_pieces_are_unknown():
    sequences, rest = encode(sentence(f"a {NOTHING} b", "012"), sentence(NOTHING, "1"))
    assert sequences == ["CLS a UNK b SEP", "CLS UNK SEP"]
    assert rest["word_positions"] == [[1, 2, 3], [1]]
    assert rest["tags"] == [[0, 1, 2], [1]]


def test_a_sentence_longer_than_the_window():
    sequences, rest = encode(
        sentence("a b c d e f g", "0120120"), sentence("x", "1"), max_length=6, stride=2
    )
    assert sequences == [
        "CLS a b c d SEP",
        "CLS c d e f SEP",
        "CLS e f g SEP",
        "CLS x SEP",
    ]
    assert rest["words"] == [[0, 1, 2], [3, 4], [5, 6], [0]]
    assert rest["word_positions"] == [[1, 2, 3], [2, 3], [2, 3], [1]]
    assert rest["tags"] == [[0, 1, 2], [0, 1], [2, 0], [1]]
    assert rest["example"] == [0, 0, 0, 1]


def test_a_word_longer_than_the_window():
    sequences, rest = encode(sentence("a bcdefghi j", "012"), max_length=6, stride=4)
    assert sequences == [
        "CLS a b ##c ##d SEP",
        "CLS ##e ##f ##g ##h SEP",
        "CLS ##i j SEP",
    ]
    # The window in the middle has no word's first piece.
    assert rest["words"] == [[0, 1], [], [2]]
    assert rest["word_positions"] == [[1, 2], [], [2]]


def test_every_word_once_whatever_the_windows():
    generator = np.random.default_rng(0)
    for _ in range(15):
        max_length = int(generator.integers(4, 12))
        stride = int(generator.integers(1, max_length - 1))
        sentences = []
        for count in generator.integers(1, 30, 4):
            sizes = generator.choice([1, 1, 2, 3, 9], count)
            words = ["".join(generator.choice(list("abcdef"), n)) for n in sizes]
            tags = "".join(str(tag) for tag in generator.integers(0, 3, count))
            sentences.append(sentence(" ".join(words), tags))
        sequences, rest = encode(*sentences, max_length=max_length, stride=stride)
        tags = [[None] * len(s.words) for s in sentences]
        for index, example in enumerate(rest["example"]):
            tokens = sequences[index].split()
            assert len(tokens) <= max_length
            for word, position, tag in zip(
                rest["words"][index],
                rest["word_positions"][index],
                rest["tags"][index],
                strict=True,
            ):
                assert tokens[position] == sentences[example].words[word][0]
                assert tags[example][word] is None
                tags[example][word] = LABELS[tag]
        assert [tuple(row) for row in tags] == [s.tags for s in sentences]


def test_in_graph():
    encoding = TokenTaggingEncoding(TOKENIZER, 6, LABELS, 2)
    columns = encoding.columns([sentence("a b c d e", "01201"), sentence("x", "1")])
    eager, _ = encoding.encode(columns)
    graph, _ = tf.function(encoding.encode)(columns)
    assert values(graph) == values(eager)


def test_tags_that_are_not_known():
    unknown = TaggedSentence("s7", ("a", "b"), ("O", "B-Y"), 0)
    with pytest.raises(ValueError, match=r"\['B-Y'\] \(sentence s7\).*'B-X'"):
        encode(unknown)


@pytest.mark.parametrize("stride", [0, 11])
def test_windows_with_gaps_are_refused(stride):
    with pytest.raises(ValueError, match=f"stride={stride} .* between 1 and 10"):
        encode(sentence("a"), stride=stride)


def test_documents():
    sentences = [
        sentence("a b", "01", document=3, id="x"),
        sentence("c", "2", document=3, id="y"),
        sentence("d", None, document=4, id="z"),
        sentence("e", "0", document=4),
    ]
    first, second = documents(iter(sentences))
    assert first.sentences == tuple(sentences[:2])
    assert second.sentences == tuple(sentences[2:])

    def whole(document):
        return TaggedSentence(
            document.id, document.words, document.tags, document.document
        )

    assert whole(first) == sentence("a b c", "012", document=3, id="x")
    assert whole(second) == sentence("d e", None, document=4, id="z")
    (alone,) = documents(sentences[:1])
    assert whole(alone) == sentences[0]
