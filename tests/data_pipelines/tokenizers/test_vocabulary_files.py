"""The files of vocabularies as the usual tools write them, and what is beside them."""

import json

import pytest

from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.vocabulary_files import read_merges

TOKENS = (*SPECIAL_TOKENS, "a", "##b", "中")


def written(vocabulary, folder):
    path = str(folder / "vocab.txt")
    files = vocabulary.to_files(path)
    assert list(files)[-1] == path
    for name, content in files.items():
        with open(name, "wb") as file:
            file.write(content)
    return path


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
    with pytest.raises(ValueError, match="Expected the format 1, one of the"):
        Vocabulary.from_file(path)


LINES = list(TOKENS)


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(LINES),
        "\ufeff" + "\n".join(LINES) + "\n",
        "\r\n".join(LINES) + "\r\n",
        "\r".join(LINES) + "\r",
        " \n".join(LINES),
        "\t\n".join(LINES),
        "\n ".join(LINES),
        "\n".join(LINES) + "\n\n \n\r\n",
    ],
)
def test_marks_and_white_space_are_no_part_of_pieces(tmp_path, caplog, content):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content.encode())
    assert Vocabulary.from_file(str(path)).tokens == TOKENS
    assert not caplog.text


@pytest.mark.parametrize("row", ["{}\t{}", "{} {}", "{}\t-{}.5", "{}\t{}e-05 "])
def test_counts_are_left_out_and_told(tmp_path, caplog, row):
    path = tmp_path / "vocab.txt"
    rows = [row.format(token, 9 * number) for number, token in enumerate(TOKENS)]
    path.write_text("\n".join(rows))
    assert Vocabulary.from_file(str(path)).tokens == TOKENS
    assert "dropped the number after each piece, such as '[PAD]" in caplog.text


def test_pieces_may_have_spaces_and_rare_signs_within(tmp_path):
    tokens = (*TOKENS, "New York", "a 5", "\u2028", "\x85", "\u3000", "▁", "\ufeff")
    path = tmp_path / "vocab.txt"
    path.write_bytes(Vocabulary(tokens).to_bytes())
    assert Vocabulary.from_file(str(path)).tokens == tokens


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n".join(TOKENS).encode("utf-16"), "is in UTF-16.*iconv -f UTF-16"),
        ("\n".join(TOKENS).encode("utf-16-le"), "is in UTF-16.*iconv -f UTF-16"),
        ("\n".join((*TOKENS, "é")).encode("latin-1", "ignore"), "is not UTF-8 text"),
        ("\n".join((*TOKENS, "x\t5")), r"line 9: 'x\\t5' contains a tab.*as in 8 of 9"),
        (
            "".join(f"{token} {8 - n}\n" for n, token in enumerate((*TOKENS, "x"))),
            "has ids after its pieces, in another order.*sort -k2n",
        ),
        ("<unk>\t0\n<s>\t0\n▁the\t-3.2\n▁of\t-3.5\ns\t-4.1", "of SentencePiece"),
        ("\n".join((*TOKENS, "▁the", "▁of")), "of SentencePiece"),
        (json.dumps({"[PAD]": 0, "[UNK]": 1}), "is JSON.*bert_tf.convert"),
        (json.dumps({"model": {"vocab": {}}}, indent=2), "is JSON.*bert_tf.convert"),
        ("#version: 0.2\nĠ t\nh e\n", "contains the merges of byte-level BPE"),
        ("", r"lacks the special tokens"),
    ],
)
def test_files_of_other_formats_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=message) as error:
        Vocabulary.from_file(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("change", [b"\r\n", b"\xef\xbb\xbf"])
def test_merges_with_marks_of_windows(tmp_path, change):
    merges = b"#version: 0.2\na b\nab c\n"
    path = tmp_path / "merges.txt"
    is_ends = change == b"\r\n"
    path.write_bytes(merges.replace(b"\n", change) if is_ends else change + merges)
    assert read_merges(str(path)) == ((("a", "b"), ("ab", "c")), False)


def test_added_tokens_keep_their_spaces(tmp_path):
    added = AddedToken(" new ", normalized=False)
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "a", " new "), added_tokens=(added,))
    assert Vocabulary.from_file(written(vocabulary, tmp_path)) == vocabulary
