import hashlib
import json

import pytest

from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS, bytes_of
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


# --- Casing.


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
def test_a_vocabulary_keeps_its_casing(tmp_path, lower_case, strip_accents):
    vocabulary = Vocabulary(TOKENS, None, False, lower_case, strip_accents)
    path = written(vocabulary, tmp_path)
    assert json.loads((tmp_path / "tokenization.json").read_text()) == {
        "format": 1,
        "kind": "wordpiece",
        "lower_case": lower_case,
        "strip_accents": strip_accents,
    }
    assert Vocabulary.from_file(path) == vocabulary
    assert Vocabulary.from_file(path, lower_case, strip_accents) == vocabulary
    expected = f"Expected lower_case={lower_case} and strip_accents={strip_accents}, "
    for received in ((not lower_case, None), (None, not strip_accents)):
        with pytest.raises(ValueError, match=expected):
            Vocabulary.from_file(path, *received)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ((None, None), (True, True)),
        ((False, None), (False, False)),
        ((None, False), (True, False)),
        ((False, True), (False, True)),
    ],
)
def test_a_vocabulary_of_others_has_the_received_casing(tmp_path, received, expected):
    path = tmp_path / "vocab.txt"
    path.write_bytes(Vocabulary(TOKENS).to_bytes())
    found = Vocabulary.from_file(str(path), *received)
    assert (found.lower_case, found.strip_accents) == expected
    assert found.fingerprint == Vocabulary(TOKENS).fingerprint


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ((True, True), (False, None), (False, False)),
        ((True, False), (False, None), (False, False)),
        ((True, False), (None, None), (True, False)),
        ((False, True), (True, None), (True, True)),
        ((True, True), (None, False), (True, False)),
    ],
)
def test_with_casing(before, change, after):
    found = Vocabulary(TOKENS, None, False, *before).with_casing(*change)
    assert found == Vocabulary(TOKENS, None, False, *after)


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"kind": "bpe"}, {"lower_case": None}, {"strip_accents": 1}],
)
def test_broken_descriptions(tmp_path, change):
    path = written(Vocabulary(TOKENS), tmp_path)
    file = tmp_path / "tokenization.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match="Expected the format 1, a kind of"):
        Vocabulary.from_file(path)


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


def test_byte_symbols():
    assert len(set(BYTE_SYMBOLS)) == 256
    assert all(symbol.isprintable() and symbol != " " for symbol in BYTE_SYMBOLS)
    assert [BYTE_SYMBOLS[byte] for byte in b"a \n\xc3"] == ["a", "Ġ", "Ċ", "Ã"]
    assert bytes_of("Ġcaf" + "Ã©") == " café".encode()


def test_wordpiece_beside_merges_stays_wordpiece(tmp_path):
    written(Vocabulary(BYTE_LEVEL, MERGES), tmp_path)
    path = tmp_path / "other.txt"
    # As a multilingual one: all of these letters, and continuations.
    path.write_bytes(Vocabulary((*BYTE_LEVEL, "##a")).to_bytes())
    with pytest.raises(ValueError, match="into a folder of its own"):
        Vocabulary.from_file(str(path))
    (tmp_path / "tokenization.json").unlink()
    assert Vocabulary.from_file(str(path)).merges is None


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (None, "No merges at .*merges.txt"),
        ("#version: 0.2\nĠ c\na\n", "has the line 'a'. Expected two pieces"),
        ("Ġ d\n", r"lacks 1 pieces that its merges or bytes need: \['Ġd'\]"),
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
