import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import (
    DELETE,
    INSERT,
    KEEP,
    NONE,
    REPLACE,
    CorrectionEncoding,
    tags_of,
)
from tests.data_pipelines.finetuning.texts import TOKENIZER, VOCABULARY, values, written

SIGNS = {NONE: ".", KEEP: "k", REPLACE: "r", DELETE: "d", INSERT: "i"}


def example(text, *corrected):
    return CorrectionExample("", text, corrected)


def encode(*examples, max_length=16, stride=8):
    encoding = CorrectionEncoding(TOKENIZER, max_length, stride)
    features, origin = encoding.encode(encoding.columns(examples))
    return written(features["token_ids"]), {**values(features), **values(origin)}


def signs(rows):
    return ["".join(SIGNS[tag] for tag in row) for row in rows]


def pieces(rows):
    return [[VOCABULARY.tokens[i] for i in row if i >= 0] for row in rows]


@pytest.mark.parametrize(
    ("text", "corrected", "tags", "new"),
    [
        ("a b c", "a b c", "kkkk.", []),
        ("a b c", "a x c", "kkrk.", ["x"]),
        ("a b c", "a c", "kkdk.", []),
        ("a c", "a b c", "kik.", ["b"]),
        ("b c", "a b c", "ikk.", ["a"]),
        # Capitals and accents are no edit to an uncased vocabulary.
        ("A b", "a B", "kkk.", []),
        # Of several insertions the first, and none beside a replacement.
        ("a d", "a b c d", "kik.", ["b"]),
        ("a b c", "a x y z c", "kkrk.", ["x"]),
        # The first of several pieces is replaced by one.
        ("a bcd e", "a x e", "kkrddk.", ["x"]),
        ("中国人", "中囗人", "kk.k.", []),
        ("中人", "中国人", "kik.", ["国"]),
        ("", "a", "i.", ["a"]),
    ],
)
def test_tags(text, corrected, tags, new):
    _, rest = encode(example(text, corrected))
    assert signs(rest["tags"]) == [tags]
    assert pieces(rest["written"]) == [new]


def test_known_and_unknown_corrections():
    sequences, rest = encode(example("a b"), example("c", "d", "e"))
    assert sequences == ["CLS a b SEP", "CLS c SEP"]
    assert signs(rest["tags"]) == ["....", "kr."]
    # The first of several corrections.
    assert pieces(rest["written"]) == [[], ["d"]]
    assert rest["is_asked"] == [[1, 1, 1, 0], [1, 1, 0]]
    assert rest["places"] == [[0, 1, 2], [0, 1]]
    for own in ("", "own_"):
        assert rest[f"{own}starts"] == [[0, 2], [0]]
        assert rest[f"{own}ends"] == [[1, 3], [1]]


def applied(source, tags, new):
    """By the definition of the tags."""
    result = []
    for piece, tag, other in zip([None, *source], tags, new, strict=True):
        if tag in (KEEP, INSERT) and piece is not None:
            result.append(piece)
        if tag in (REPLACE, INSERT):
            result.append(other)
    return result


def test_passes_lead_to_the_correction():
    generator = np.random.default_rng(0)
    for _ in range(200):
        source, target = (
            generator.integers(5, 9, generator.integers(0, 8)).tolist()
            for _ in range(2)
        )
        for _ in range(10):
            source = applied(source, *tags_of(source, target, unknown=1))
        assert source == target


def test_every_piece_once_whatever_the_windows():
    generator = np.random.default_rng(0)
    for _ in range(15):
        max_length = int(generator.integers(4, 12))
        stride = int(generator.integers(1, max_length - 1))
        examples = [
            example(
                *(
                    " ".join(generator.choice(list("abc"), n))
                    for n in (count, count + 1)
                )
            )
            for count in generator.integers(0, 30, 4)
        ]
        sequences, rest = encode(*examples, max_length=max_length, stride=stride)
        encoding = CorrectionEncoding(TOKENIZER, max_length, stride)
        expected = values(encoding.columns(examples))
        for name in ("tags", "written"):
            found = [[None] * len(row) for row in expected[name]]
            for row, text in enumerate(rest["example"]):
                asked = np.flatnonzero(rest["is_asked"][row])
                assert len(sequences[row].split()) <= max_length
                others = np.delete(np.array(rest[name][row]), asked)
                assert (others == NONE).all()
                for place, token in zip(rest["places"][row], asked, strict=True):
                    assert found[text][place] is None
                    found[text][place] = rest[name][row][token]
            assert found == expected[name]


def test_in_graph_and_without_tags():
    encoding = CorrectionEncoding(TOKENIZER, 6, 2)
    columns = encoding.columns([example("a b c d e f", "a c d x e f"), example("x")])
    eager, _ = encoding.encode(columns)
    graph, _ = tf.function(encoding.encode)(columns)
    assert values(graph) == values(eager)
    alone, _ = encoding.encode({"text": columns["text"]})
    assert set(eager) - set(alone) == {"tags", "written"}


@pytest.mark.parametrize("stride", [0, 15])
def test_windows_with_gaps_are_refused(stride):
    with pytest.raises(ValueError, match=f"stride={stride} .* between 1 and 14"):
        encode(example("a"), stride=stride)
