import numpy as np
import pytest

from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.whole_texts import WholeTextEncoding
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *LETTERS))
TOKENIZER = WordPieceTokenizer(VOCABULARY)


def encoded(*texts, max_length=8, in_windows=False):
    """Features and origin of texts, or of pairs, as lists."""
    pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
    examples = [TextExample(str(i), a, b, None) for i, (a, b) in enumerate(pairs)]
    encoding = WholeTextEncoding(TOKENIZER, max_length, in_windows)
    parts = encoding.encode(encoding.columns(examples))
    return [
        {
            name: v.to_list() if hasattr(v, "to_list") else v.numpy().tolist()
            for name, v in part.items()
        }
        for part in parts
    ]


def spelled(ids):
    return "".join({"[CLS]": "<", "[SEP]": ">"}.get(t, t) for t in names(ids))


def names(ids):
    return [VOCABULARY.tokens[i] for i in ids]


def asked(features):
    """The tokens that are asked for, of each sequence."""
    return [
        spelled(np.array(ids)[np.array(is_asked) == 1])
        for ids, is_asked in zip(
            features["token_ids"], features["is_asked"], strict=True
        )
    ]


def test_texts_that_fit_are_one_sequence_each():
    for in_windows in (False, True):
        features, origin = encoded("a B", "", "c d e f g h", in_windows=in_windows)
        assert [spelled(ids) for ids in features["token_ids"]] == [
            "<ab>",
            "<>",
            "<cdefgh>",
        ]
        assert asked(features) == ["<ab>", "<>", "<cdefgh>"]
        assert features["second_starts"] == [4, 2, 8]
        assert origin["example"] == [0, 1, 2]
        assert origin["token_ids"] == features["token_ids"]
        assert origin["starts"][0] == [-1, 0, 2, -1]
        assert origin["ends"][0] == [-1, 1, 3, -1]
        assert origin["empty"] == [False, True, False]
        assert origin["truncated"] == [False] * 3


def test_a_long_text_is_cut_off():
    features, origin = encoded("a b c d e f g h", "a")
    assert asked(features) == ["<abcdef>", "<a>"]
    assert origin["truncated"] == [True, False]
    assert origin["ends"][0] == [-1, 1, 3, 5, 7, 9, 11, -1]


def test_windows_ask_for_each_token_once():
    features, origin = encoded("a", "a b c d e f g h i j k", "b", in_windows=True)
    # Six tokens of room, three from one window to the next.
    assert [spelled(ids) for ids in features["token_ids"]] == [
        "<a>",
        "<abcdef>",
        "<defghi>",
        "<ghijk>",
        "<b>",
    ]
    assert asked(features) == ["<a>", "<abcde", "fgh", "ijk>", "<b>"]
    assert origin["example"] == [0, 1, 1, 1, 2]
    assert spelled(origin["token_ids"][1]) == "<abcdefghijk>"
    assert not any(origin["truncated"])


def test_pairs():
    features, origin = encoded(("é a", "b"), ("a", ""), ("", ""))
    assert [spelled(ids) for ids in features["token_ids"]] == ["<ea>b>", "<a>>", "<>>"]
    assert features["second_starts"] == [4, 3, 2]
    assert origin["starts"][0] == [-1, 0, 3, -1, 0, -1]
    assert origin["ends"][0] == [-1, 2, 4, -1, 1, -1]
    assert origin["empty"] == [False, False, True]


def test_long_pairs_are_cut_off_as_in_classification():
    features, origin = encoded(("a b c d", "e f g"), ("a", "e f g h i"))
    assert asked(features) == ["<abc>ef>", "<a>efgh>"]
    assert origin["truncated"] == [True, True]


def test_windows_of_the_second_text_of_a_pair():
    features, origin = encoded(
        ("a", "e f g h i j"), ("a b c d", "e"), ("a b c d", "e f g"), in_windows=True
    )
    assert [spelled(ids) for ids in features["token_ids"]] == [
        "<a>efgh>",
        "<a>fghi>",
        "<a>ghij>",
        "<abcd>e>",
        "<abc>ef>",
        "<abc>fg>",
    ]
    assert "".join(asked(features)[:3]) == "<a>efghij>"
    assert "".join(asked(features)[4:]) == "<abc>efg>"
    assert features["second_starts"] == [3, 3, 3, 6, 5, 5]
    assert origin["truncated"] == [False, False, True]


@pytest.mark.parametrize("max_length", [5, 6, 7, 12, 23])
@pytest.mark.parametrize("is_pair", [False, True])
def test_the_tokens_asked_for_are_the_text(max_length, is_pair):
    generator = np.random.default_rng(max_length)

    def text():
        return " ".join(generator.choice(LETTERS, generator.integers(0, 60)))

    texts = [(text(), text()) if is_pair else text() for _ in range(40)]
    features, origin = encoded(*texts, max_length=max_length, in_windows=True)
    assert max(len(ids) for ids in features["token_ids"]) <= max_length
    joined = [""] * len(texts)
    for index, part in zip(origin["example"], asked(features), strict=True):
        joined[index] += part
    assert joined == [spelled(ids) for ids in origin["token_ids"]]
    for index, whole in enumerate(texts):
        last = whole[1] if is_pair else whole
        assert joined[index].endswith(f"{last.replace(' ', '')}>")
