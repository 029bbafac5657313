import itertools

import numpy as np
import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.finetuning.span_qa import SpanQAEncoding
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.data_pipelines.finetuning.texts import TOKENIZER, values, written
from tests.shared import SHARED

ENCODING = SpanQAEncoding(TOKENIZER, max_length=10, stride=3, max_question_length=2)


def question(context, *answers, text="q"):
    """A question whose answers are given as texts or with their starts."""
    found = [
        Answer(*a) if isinstance(a, tuple) else Answer(a, context.index(a))
        for a in answers
    ]
    return Question("id", "", text, context, tuple(found), not answers)


def encode(*questions):
    features, origin = ENCODING.encode(ENCODING.columns(questions))
    return written(features["token_ids"]), {**values(features), **values(origin)}


def gold(rest, window, context):
    """The text between the answer's tokens in a window."""
    shift = rest["second_starts"][window]
    start = rest["token_starts"][window][rest["start"][window] - shift]
    end = rest["token_ends"][window][rest["end"][window] - shift]
    return context.encode()[start:end].decode()


def test_a_short_context():
    sequences, rest = encode(question("a bc d", "bc"))
    assert sequences == ["CLS q SEP a b ##c d SEP"]
    assert rest == {
        "token_ids": rest["token_ids"],
        "second_starts": [3],
        "start": [4],
        "end": [5],
        "may_start": [[0, 0, 0, 1, 1, 1, 1, 0]],
        "example": [0],
        "token_starts": [[0, 2, 3, 5]],
        "token_ends": [[1, 3, 4, 6]],
        "contexts": [b"a bc d"],
        "truncated": [False],
    }


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        ("a bc\u0301 d", "bc\u0301", "bc\u0301"),
        # Other tools end an answer before the mark, or begin it within a letter.
        ("a bc\u0301 d", "bc", "bc\u0301"),
        ("ab\u0301 c d", ("\u0301 c", 2), "b\u0301 c"),
        ("a d\u0301\u0323", "d", "d\u0301\u0323"),
        ("a b\ufe0f d", "b\ufe0f", "b\ufe0f"),
        ("a 中\U000e0100国 d", "中", "中\U000e0100"),
    ],
)
def test_answers_have_whole_graphemes(context, answer, text):
    _, rest = encode(question(context, answer))
    assert rest["start"][0] > 0
    assert gold(rest, 0, context) == text


def test_windows():
    # A question of one token leaves room for six of the context.
    context = "a b c d e f g h i"
    sequences, rest = encode(question(context, "f g"), question("x", "x"))
    assert sequences == [
        "CLS q SEP a b c d e f SEP",
        "CLS q SEP d e f g h i SEP",
        "CLS q SEP x SEP",
    ]
    assert rest["example"] == [0, 0, 1]
    # The first window has the first word of the answer alone.
    assert rest["start"] == [0, 5, 3]
    assert rest["end"] == [0, 6, 3]
    assert rest["may_start"] == [
        [0, 0, 0, 1, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 0],
        [0, 0, 0, 1, 0],
    ]
    assert gold(rest, 1, context) == "f g"


@pytest.mark.parametrize(
    ("answer", "starts"),
    [
        ("a", [3, 0]),  # At the left edge of the first window,
        ("f", [8, 5]),  # at its right edge, and inside the second,
        ("a b c d e f", [3, 0]),  # all of the first window,
        ("d e f", [6, 3]),  # what both have,
        ("i", [0, 8]),  # at the end of the text,
        ("a b c d e f g", [0, 0]),  # and longer than any window.
    ],
)
def test_answers_at_the_edges(answer, starts):
    context = "a b c d e f g h i"
    _, rest = encode(question(context, answer))
    assert rest["start"] == starts
    for window, start in enumerate(starts):
        if start:
            assert gold(rest, window, context) == answer
        else:
            assert rest["end"][window] == 0


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("é é中é é", "中"),
        ("中国人", "国"),
        ("L'Été à b", "Été"),
        ("a\u0301 b e\u0301", "e\u0301"),
        ("Ａ ｂ", "ｂ"),
        ("𝔸 𝔹 c", "c"),
        ("a 🙂 b", "b"),
    ],
)
def test_answers_of_characters_of_several_bytes(context, answer):
    _, rest = encode(question(context, answer))
    assert rest["start"][0] > 0
    # A combining accent after the last letter belongs to no piece.
    assert gold(rest, 0, context) in (answer, answer.removesuffix("\u0301"))


def test_answers_that_begin_inside_a_word():
    # The tokens that have a part of the answer, as in the original.
    context = "ab 1999-2004 c"
    _, rest = encode(question(context, "2004"), question("xyz", ("y", 1)))
    assert gold(rest, 0, context).endswith("2004")
    assert gold(rest, 1, "xyz") == "y"


def test_without_an_answer():
    impossible = question("a b")
    elsewhere = question("a b", ("z", -1))
    _, rest = encode(impossible, elsewhere, question("a b", "b", ("z", -1)))
    assert rest["start"] == rest["end"] == [0, 0, 4]


def test_the_first_answer_is_learned():
    _, rest = encode(question("a b c", "b", "a", "b"))
    assert rest["start"] == [4]


def test_long_questions_are_cut_off():
    sequences, rest = encode(question("a b c d e", "e", text="u v w"))
    assert sequences == ["CLS u v SEP a b c d e SEP"]
    assert rest["start"] == [8]


def test_a_context_without_pieces():
    sequences, rest = encode(question("\u200d\u200d", text="u"))
    assert sequences == ["CLS u SEP SEP"]
    assert rest["may_start"] == [[0] * 4]
    assert rest["start"] == [0]


def test_without_labels():
    columns = ENCODING.columns([question("a b", "b")])
    features, _ = ENCODING.encode({name: columns[name] for name in list(columns)[:2]})
    assert set(features) == {"token_ids", "second_starts", "may_start"}


@pytest.mark.parametrize("stride", [0, 6])
def test_windows_with_gaps_are_refused(stride):
    with pytest.raises(ValueError, match=f"stride={stride} .* between 1 and 5"):
        SpanQAEncoding(TOKENIZER, 10, stride, 2)


def test_each_token_may_start_an_answer_in_one_window():
    generator = np.random.default_rng(0)
    contexts = [
        " ".join(generator.choice(list("abcdefgh"), generator.integers(1, 40)))
        for _ in range(30)
    ]
    _, rest = encode(*(question(context, text="q q q") for context in contexts))
    bytes_of = {index: [] for index in range(len(contexts))}
    for window, example in enumerate(rest["example"]):
        first = rest["second_starts"][window]
        starts = rest["token_starts"][window]
        may_start = rest["may_start"][window]
        assert sum(may_start) == sum(may_start[first : first + len(starts)])
        bytes_of[example] += list(itertools.compress(starts, may_start[first:]))
    for index, context in enumerate(contexts):
        assert sorted(bytes_of[index]) == list(range(0, len(context), 2))


def test_answers_of_squad():
    """The tokens of real answers, whatever windows they are in, spell them."""
    vocab_file = SHARED / "vocab" / "uncased.txt"
    if not (SHARED / "squad" / "dev-v1.1.json").exists() or not vocab_file.exists():
        pytest.skip(f"no SQuAD or no vocabulary in {SHARED}")
    tokenizer = WordPieceTokenizer(Vocabulary.from_file(str(vocab_file)))
    encoding = SpanQAEncoding(tokenizer, 128, 64, 24)
    dataset = catalog.find("squad/v1.1")
    read = catalog.read(dataset, "dev", str(SHARED), ReadLog("dev"))
    questions = list(itertools.islice(read, 300))
    features, origin = encoding.encode(encoding.columns(questions))
    rest = {**values(features), **values(origin)}
    found = {}
    for window, example in enumerate(rest["example"]):
        if rest["start"][window]:
            text = gold(rest, window, questions[example].context)
            assert found.setdefault(example, text) == text
    # Every answer is far shorter than a window, and so whole in one.
    assert len(found) == len(questions)
    answers = {i: question.answers[0].text for i, question in enumerate(questions)}
    # Where an answer is a part of a piece, the piece is more.
    assert all(answers[i].strip() in text for i, text in found.items())
    others = {i: t for i, t in found.items() if t.strip() != answers[i].strip()}
    print({answers[i]: text for i, text in others.items()})
    assert len(others) < 0.05 * len(questions)
