"""The casing of a vocabulary, in a file beside it or received."""

import json

import pytest

from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

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
    with pytest.raises(ValueError, match="Expected the format 1, a kind of"):
        Vocabulary.from_file(path)
