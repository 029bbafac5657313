import hashlib

import pytest

from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)

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
        # What is wrong is not to be removed: it would shift the ids behind it.
        (
            (*TOKENS, "a", "##b", "a", "d"),
            r"2 pieces more than once: \['a', '##b'\], again in line 9, 10, 11\. .*"
            r"an unused piece there, such as \[unused0\] \[unused1\] \[unused2\], "
            "so that the ids of all other pieces still",
        ),
        (
            (*TOKENS, "[unused0]", "", "d"),
            r"an empty piece in line 10\. .*unused piece there, such as \[unused1\],",
        ),
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


# --- Byte-level BPE.

BYTE_LEVEL = (*SPECIAL_TOKENS, *BYTE_SYMBOLS, "Ġc", "at", "Ġcat", "Ã©")
MERGES = (("Ġ", "c"), ("a", "t"), ("Ġc", "at"), ("Ã", "©"))


def written(vocabulary, folder):
    path = str(folder / "vocab.txt")
    files = vocabulary.to_files(path)
    assert list(files)[-1] == path
    for name, content in files.items():
        with open(name, "wb") as file:
            file.write(content)
    return path


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_round_trip_with_merges(tmp_path, add_prefix_space):
    vocabulary = Vocabulary(BYTE_LEVEL, MERGES, add_prefix_space)
    path = written(vocabulary, tmp_path)
    assert Vocabulary.from_file(path) == vocabulary
    first = (tmp_path / "merges.txt").read_text().split("\n")[0]
    assert first == "#version: 0.2" + " add_prefix_space" * add_prefix_space


def test_fingerprint_knows_the_merges():
    others = [
        Vocabulary(BYTE_LEVEL, MERGES),
        Vocabulary(BYTE_LEVEL, MERGES, add_prefix_space=True),
        Vocabulary(BYTE_LEVEL, MERGES[1::-1] + MERGES[2:]),
        Vocabulary(BYTE_LEVEL),
    ]
    assert len({vocabulary.fingerprint for vocabulary in others}) == 4


def test_wordpiece_beside_merges_stays_wordpiece(tmp_path):
    written(Vocabulary(BYTE_LEVEL, MERGES), tmp_path)
    path = tmp_path / "other.txt"
    # As a multilingual one: all of these letters, and continuations.
    path.write_bytes(Vocabulary((*BYTE_LEVEL, "##a")).to_bytes())
    with pytest.raises(ValueError, match="into separate folders"):
        Vocabulary.from_file(str(path))
    (tmp_path / "tokenization.json").unlink()
    assert Vocabulary.from_file(str(path)).merges is None


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (None, "No merges at .*merges.txt"),
        ("#version: 0.2\nĠ c\na\n", "has the line 'a'. Expected two pieces"),
        ("Ġ d\n", r"lacks 1 pieces required by its merges or bytes: \['Ġd'\]"),
    ],
)
def test_wrong_merges(tmp_path, merges, message):
    path = written(Vocabulary(BYTE_LEVEL, MERGES), tmp_path)
    file = tmp_path / "merges.txt"
    file.unlink() if merges is None else file.write_text(merges)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Vocabulary.from_file(path)


def test_every_byte_is_needed():
    with pytest.raises(ValueError, match=r"lacks 1 pieces .*: \['!'\]"):
        Vocabulary(tuple(t for t in BYTE_LEVEL if t != "!"), MERGES)


def test_continuations_and_what_is_shown():
    wordpiece = Vocabulary(TOKENS)
    assert wordpiece.continues[-3:] == (False, True, False)
    assert wordpiece.names == TOKENS
    assert wordpiece.joined(["a", "##b", "中"]) == "ab 中"
    byte_level = Vocabulary(BYTE_LEVEL, MERGES)
    continues = dict(zip(BYTE_LEVEL, byte_level.continues, strict=True))
    assert [continues[t] for t in ("[CLS]", "Ġcat", "Ġ", "at", ".")] == [
        *(False, False, False, True, True),
    ]
    names = dict(zip(BYTE_LEVEL, byte_level.names, strict=True))
    assert [names[t] for t in ("[CLS]", "Ġcat", "Ã©", "Ã")] == [
        *("[CLS]", " cat", "é", "Ã"),
    ]
    assert byte_level.joined(["Ġcat", "s", "[MASK]", "Ġ", "Ã", "©"]) == "cats [MASK] é"
