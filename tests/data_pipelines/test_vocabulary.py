import hashlib

import pytest

from data_pipelines.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKENS = (*SPECIAL_TOKENS, "a", "##b", "中")


def test_ids():
    vocabulary = Vocabulary(TOKENS)
    assert len(vocabulary) == 8
    assert vocabulary.id_of("##b") == 6
    assert "a" in vocabulary and "b" not in vocabulary
    ids = (
        vocabulary.pad_id,
        vocabulary.unk_id,
        vocabulary.cls_id,
        vocabulary.sep_id,
        vocabulary.mask_id,
    )
    assert ids == (0, 1, 2, 3, 4)


def test_special_tokens_may_stand_anywhere():
    vocabulary = Vocabulary(tuple(reversed(TOKENS)))
    assert vocabulary.pad_id == 7
    assert vocabulary.mask_id == 3


def test_round_trip(tmp_path):
    vocabulary = Vocabulary((*TOKENS, "\u2028", "\x85"))
    path = tmp_path / "vocab.txt"
    path.write_bytes(vocabulary.to_bytes())
    assert Vocabulary.from_file(str(path)) == vocabulary


def test_windows_line_ends_and_a_missing_last_one(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join(TOKENS).encode())
    assert Vocabulary.from_file(str(path)).tokens == TOKENS


def test_fingerprint_is_that_of_the_file():
    vocabulary = Vocabulary(TOKENS)
    content = "".join(f"{token}\n" for token in TOKENS).encode()
    assert vocabulary.fingerprint == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (TOKENS[1:], r"lacks the special tokens \['\[PAD\]'\]"),
        ((), "lacks the special tokens"),
        ((*TOKENS, "a", "##b"), r"2 pieces more than once: \['a', '##b'\]"),
        ((*TOKENS, ""), "an empty line at line 9"),
    ],
)
def test_wrong_vocabularies(tmp_path, tokens, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(tokens)
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens))
    with pytest.raises(ValueError, match=message) as error:
        Vocabulary.from_file(str(path))
    assert str(error.value).startswith(str(path))


def test_files_that_are_missing_or_no_text(tmp_path):
    path = tmp_path / "vocab.txt"
    with pytest.raises(FileNotFoundError, match="No vocabulary file at"):
        Vocabulary.from_file(str(path))
    path.write_bytes(b"[PAD]\n\xff\xfe")
    with pytest.raises(ValueError, match=r"is not UTF-8 text \(byte 6\)"):
        Vocabulary.from_file(str(path))
