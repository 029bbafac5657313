"""Learning byte-level BPE: by hand, the same each time, and as its user runs it."""

import subprocess
import sys

import pytest

from data_pipelines.learn_vocabulary import (
    LearnVocabularyOptions,
    learn_vocabulary,
    main,
)
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe

pytest.importorskip("tokenizers", reason="needs tokenizers, of requirements.txt")

# Ġ h 3, h u 3, u g 3, g s 1. Of equal ones the pair with the first ids is taken: h is
# before u, and both are before Ġ, which is U+0120.
# Then Ġ hu 3 and hu g 3: Ġ is before hu.
HUGS = "hug hug\n\n  hugs \n"


@pytest.fixture
def hugs(tmp_path):
    path = tmp_path / "hugs.txt"
    path.write_text(HUGS)
    return str(path)


def test_by_hand(hugs):
    vocabulary = learn_byte_bpe([hugs], 265)
    assert vocabulary.merges == (
        ("h", "u"),
        ("Ġ", "hu"),
        ("Ġhu", "g"),
        ("Ġhug", "s"),
    )
    assert vocabulary.tokens[:5] == SPECIAL_TOKENS
    assert set(vocabulary.tokens[5:261]) == set(BYTE_SYMBOLS)
    assert vocabulary.tokens[261:] == ("hu", "Ġhu", "Ġhug", "Ġhugs")
    assert vocabulary.add_prefix_space


@pytest.mark.parametrize(
    ("vocab_size", "message"),
    [(260, "Expected at least 261"), (266, "Expected at most 265")],
)
def test_sizes_that_are_not_possible(hugs, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        learn_byte_bpe([hugs], vocab_size)


def test_case_is_kept(hugs):
    with pytest.raises(ValueError, match="keeps texts unchanged"):
        learn_vocabulary(
            input_files=[hugs], vocab_size=261, tokenizer="byte_bpe", lower_case=True
        )


_LEARN = """
import sys
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe
for files in (sys.argv[1:], sys.argv[:0:-1]):
    print(learn_byte_bpe(files, 600).fingerprint)
"""


@pytest.mark.long
@pytest.mark.slow
def test_the_same_in_each_process_and_for_each_order_of_files(tmp_path):
    """Many pairs are equally frequent; which is taken must not be left to chance."""
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"{number}.txt"))
        with open(files[-1], "w") as file:
            file.write(" ".join(words[number::3]))
    runs = [
        subprocess.run(
            [sys.executable, "-c", _LEARN, *files],
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    (found,) = {fingerprint for run in runs for fingerprint in run.stdout.split()}
    assert len(found) == 64


def test_program(hugs, tmp_path, capsys):
    options = LearnVocabularyOptions(
        input_files=(hugs,),
        vocab_size=265,
        vocab_file=str(tmp_path / "made" / "vocab.txt"),
        tokenizer="byte_bpe",
    )
    main(options)
    assert "265 pieces" in capsys.readouterr().out
    lines = (tmp_path / "made" / "merges.txt").read_text().split("\n")
    assert lines[:2] == ["#version: 0.2 add_prefix_space", "h u"]
    assert Vocabulary.from_file(options.vocab_file) == learn_byte_bpe([hugs], 265)
    (tmp_path / "made" / "vocab.txt").unlink()
    with pytest.raises(FileExistsError, match=r"made/\w+\.\w+ exists already"):
        main(options)
    assert not (tmp_path / "made" / "vocab.txt").exists()
