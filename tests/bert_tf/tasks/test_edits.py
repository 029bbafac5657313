import numpy as np
import pytest
import tensorflow as tf

from bert_tf.tasks.edits import (
    Edits,
    apply,
    confident,
    edit_tensors,
)
from bert_tf.tasks.iterative_refinement import refine
from bert_tf.tasks.piece_edits import edits_of_pieces
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import TAGS, CorrectionEncoding
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

WORDS = (
    *("the", "a", "cat", "dog", "they", "their", "house", "base", "##ball", "ball"),
    *(
        "##s",
        "##t",
        "lo",
        "lot",
        "it",
        "don",
        "t",
        "s",
        "elan",
        "ran",
        "中",
        "国",
        "人",
    ),
    *(".", ",", "'", "-", "(", ")", '"'),
)
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *WORDS))
UNCASED = WordPieceTokenizer(VOCABULARY)
CASED = WordPieceTokenizer(VOCABULARY.with_casing(False))


def no_edits(texts):
    nothing = tf.zeros([0], tf.int32)
    owner = tf.zeros([0], tf.int64)
    return Edits(
        texts, owner, nothing, nothing, tf.zeros([0], tf.string), tf.zeros([0])
    )


def edited(*cases, tokenizer=UNCASED):
    """The edits of (text, *changes), where a change is (place, tag, piece)."""
    encoding = CorrectionEncoding(tokenizer, 64, 32)
    examples = [CorrectionExample("", text, ()) for text, *_ in cases]
    _, origin = encoding.encode(encoding.columns(examples))
    rows = {"tags": [], "written": [], "probabilities": []}
    counts = origin["pieces"].row_lengths().numpy() + 1
    for count, (_, *changes) in zip(counts, cases, strict=True):
        row = {"tags": [0], "written": [-1], "probabilities": [0.9]}
        row = {name: value * count for name, value in row.items()}
        for number, (place, tag, *piece) in enumerate(changes):
            row["tags"][place] = TAGS.index(tag)
            row["written"][place] = VOCABULARY.id_of(piece[0]) if piece else -1
            row["probabilities"][place] = 0.9 - number / 10
        for name, values in row.items():
            rows[name].append(values)
    types = {"tags": tf.int32, "written": tf.int32, "probabilities": tf.float32}
    decoded = {n: tf.ragged.constant(v, types[n]) for n, v in rows.items()}
    return edits_of_pieces(decoded, origin, tokenizer)


# Places count from 1; 0 is [CLS].
PASSES = [
    ("the cat", [], "the cat"),
    # What is not changed stays to the byte.
    ("  THE  Élan\tran ", [(3, "replace", "cat")], "  THE  Élan\tcat "),
    ("the cat", [(2, "replace", "dog")], "the dog"),
    # The vocabulary has no capitals: the text's stays.
    ("They ran", [(1, "replace", "their")], "Their ran"),
    ("Élan ran", [(1, "replace", "dog")], "Dog ran"),
    # A piece that stands there, whatever its accents, is not written again.
    ("Élan ran", [(1, "replace", "elan")], "Élan ran"),
    ("the cat", [(2, "replace", "[UNK]")], "the cat"),
    ("the cat", [(2, "insert", "[SEP]")], "the cat"),
    # Continuations are joined, words are not.
    ("base ball", [(2, "replace", "##ball")], "baseball"),
    ("baseball", [(2, "replace", "ball")], "base ball"),
    ("base ran", [(1, "insert", "##ball")], "baseball ran"),
    ("lots ran", [(1, "replace", "a"), (2, "replace", "lot")], "a lot ran"),
    ("the ran", [(1, "insert", "cat")], "the cat ran"),
    ("cat ran", [(0, "insert", "the")], "the cat ran"),
    ("Cat ran", [(0, "insert", "the")], "The Cat ran"),
    ("", [(0, "insert", "the")], "the "),
    ("the cat ran", [(3, "insert", ".")], "the cat ran."),
    ("the cat . ran", [(2, "insert", ",")], "the cat, . ran"),
    ("( ran", [(1, "insert", "cat")], "(cat ran"),
    ("don t", [(1, "insert", "'")], "don' t"),
    ("don'", [(2, "insert", "t")], "don't"),
    # Scripts without spaces.
    ("中人", [(1, "insert", "国")], "中国人"),
    ("国人", [(0, "insert", "中")], "中国人"),
    ("中中人", [(2, "replace", "国")], "中国人"),
    ("中国国人", [(3, "delete")], "中国人"),
    # A deleted word leaves no double space.
    ("the the cat", [(2, "delete")], "the cat"),
    ("the cat", [(1, "delete")], "cat"),
    ("the cat dog.", [(3, "delete")], "the cat."),
    ("the cat dog", [(3, "delete")], "the cat"),
    ("the cat", [(1, "delete"), (2, "delete")], ""),
    ("(the) cat", [(2, "delete")], "() cat"),
    # Several pieces of a word.
    ("baseballs", [(1, "replace", "cat"), (2, "delete"), (3, "delete")], "cat"),
    ("baseball", [(1, "delete"), (2, "delete")], ""),
]


@pytest.fixture(scope="module")
def one_pass():
    """All texts of the table in one batch, each after one pass."""
    found = apply(edited(*((text, *changes) for text, changes, _ in PASSES)))
    return [text.decode() for text in found.numpy()]


@pytest.mark.parametrize("row", range(len(PASSES)), ids=[text for text, *_ in PASSES])
def test_one_pass(one_pass, row):
    assert one_pass[row] == PASSES[row][2], PASSES[row]


def test_a_cased_vocabulary_writes_what_it_says():
    edits = edited(("the ran", (1, "replace", "their")), tokenizer=CASED)
    assert apply(edits).numpy() == [b"their ran"]


def test_edits_that_touch_are_one():
    edits = edited(("the baseballs ran", (2, "replace", "cat"), (3, "delete")))
    # The `##s` is another piece of the word, and stays.
    assert edits.starts.numpy().tolist() == [4]
    assert edits.ends.numpy().tolist() == [12]
    assert edits.replacements.numpy().tolist() == [b"cat"]
    np.testing.assert_allclose(edits.probabilities, [0.8], rtol=1e-6)
    assert apply(edits).numpy() == [b"the cats ran"]
    assert apply(confident(edits, 0.85)).numpy() == [b"the baseballs ran"]
    assert apply(confident(edits, None)).numpy() == [b"the cats ran"]


def made(texts, *edits):
    """Edits from (text, start, end, replacement, probability)."""
    owner, starts, ends, replacements, probabilities = zip(*edits, strict=True)
    return Edits(
        tf.constant(texts),
        tf.constant(owner, tf.int64),
        tf.constant(starts, tf.int32),
        tf.constant(ends, tf.int32),
        tf.constant(replacements),
        tf.constant(probabilities, tf.float32),
    )


def listed(edits):
    columns = [values.numpy().tolist() for values in edits[1:5]]
    return list(zip(*columns, strict=True))


def test_passes_add_up():
    texts = ["abc def ghi", "same", "xyz"]
    first = made(
        texts,
        (0, 0, 3, "ABCD", 0.9),
        (0, 8, 11, "G", 0.8),
        (2, 3, 3, " more", 0.7),
    )
    second = {
        # Inside of an edit, untouched text, and after another edit.
        b"ABCD def G": [(1, 3, "_", 0.6), (5, 8, "d", 0.95), (9, 10, "", 0.99)],
        b"xyz more": [],
        b"A_D d ": [(6, 6, "!", 0.5)],
    }
    asked = []

    def correct(columns):
        texts = columns["text"]
        asked.append(texts.numpy().tolist())
        rows = [
            (place, *edit)
            for place, text in enumerate(texts.numpy())
            for edit in second[text]
        ]
        return made(texts, *rows) if rows else no_edits(texts)

    result, edits = refine(first, correct, 0.0)
    assert asked == [[b"ABCD def G", b"xyz more"], [b"A_D d "]]
    assert result.numpy().tolist() == [b"A_D d !", b"same", b"xyz more"]
    assert listed(edits) == [
        (0, 0, 3, b"A_D"),
        (0, 4, 7, b"d"),
        (0, 8, 11, b"!"),
        (2, 3, 3, b" more"),
    ]
    np.testing.assert_allclose(edits.probabilities, [0.6, 0.95, 0.5, 0.7], rtol=1e-6)
    assert apply(edits).numpy().tolist() == result.numpy().tolist()
    # Without a threshold there is one pass.
    asked.clear()
    result, edits = refine(first, correct, None)
    assert (asked, listed(edits)) == ([], listed(first))


def test_what_is_taken_back_is_no_edit():
    first = made(["abc"], (0, 1, 2, "X", 0.9))

    def correct(columns):
        texts = columns["text"]
        return made(texts, (0, 1, 2, "b", 0.9)) if len(texts) else no_edits(texts)

    result, edits = refine(first, correct, 0.5)
    # What the second pass takes back, the third writes once more.
    assert (result.numpy().tolist(), listed(edits)) == ([b"abc"], [])


def random_edits(generator, texts):
    rows = []
    for owner, text in enumerate(texts):
        place = 0
        while True:
            start = place + int(generator.integers(0, 5))
            end = start + int(generator.integers(0, 4))
            if end > len(text):
                break
            new = "".join(generator.choice(list("abc "), generator.integers(0, 4)))
            if text[start:end].decode() != new:
                rows.append((owner, start, end, new, generator.random()))
            place = end + 1
    return made(texts, *rows) if rows else no_edits(tf.constant(texts))


def test_random_passes_lead_to_the_same_texts():
    generator = np.random.default_rng(0)
    for _ in range(4):
        texts = [
            "".join(generator.choice(list("xyz "), generator.integers(0, 12))).encode()
            for _ in range(40)
        ]
        first = random_edits(generator, texts)
        result, edits = refine(
            first, lambda given: random_edits(generator, given["text"].numpy()), 0.3
        )
        np.testing.assert_array_equal(apply(edits), result, str(texts))
        owner, starts, ends = (v.numpy() for v in edits[1:4])
        follows = owner[1:] == owner[:-1]
        assert np.all(np.diff(owner) >= 0)
        assert np.all(starts[1:][follows] >= ends[:-1][follows])


def test_places_in_characters():
    edits = made(["中国 ran", "é"], (0, 3, 6, "人", 0.5), (0, 7, 10, "sat", 0.6))
    found = edit_tensors(apply(edits), edits)
    assert found["edit_starts"].to_list() == [[3, 7], []]
    assert found["edit_first_characters"].to_list() == [[1, 3], []]
    assert found["edit_last_characters"].to_list() == [[2, 6], []]
    assert found["originals"].to_list() == [["国".encode(), b"ran"], []]
    assert found["corrected"].numpy()[0].decode() == "中人 sat"


def test_no_texts_at_all():
    edits = no_edits(tf.constant([], tf.string))
    assert apply(edits).numpy().tolist() == []
    corrected, again = refine(edits, lambda given: no_edits(given["text"]), 0.5)
    assert corrected.numpy().tolist() == [] and listed(again) == []
