import io
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from data_pipelines import tokenize
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)
from tests.reference.wordpiece import ReferenceTokenizer

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, "un", "##aff", "##able", "Un", "!", "é", "e"))
LINES = b"unaffable!\n\n \t\nUnaffable \xc3\xa9\n\x07!\nun\r\nun"


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(VOCABULARY.to_bytes())
    return str(path)


def answer(monkeypatch, data, **options):
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(buffer=output))
    tokenize.tokenize(tokenize.TokenizeOptions(**options))
    monkeypatch.undo()
    return output.getvalue()


def test_one_line_out_for_each_line_in(monkeypatch, vocab_file):
    output = answer(monkeypatch, LINES, vocab_file=vocab_file)
    assert output == b"5 6 7 9\n\n\n5 6 7 11\n9\n5\n5\n"


def test_cased(monkeypatch, vocab_file):
    output = answer(monkeypatch, LINES, vocab_file=vocab_file, lower_case=False)
    assert output == b"5 6 7 9\n\n\n8 6 7 10\n9\n5\n5\n"


def test_lower_case_with_accents(monkeypatch, vocab_file):
    output = answer(monkeypatch, LINES, vocab_file=vocab_file, strip_accents=False)
    assert output == b"5 6 7 9\n\n\n5 6 7 10\n9\n5\n5\n"


def test_no_lines(monkeypatch, vocab_file):
    assert answer(monkeypatch, b"", vocab_file=vocab_file) == b""


@pytest.mark.parametrize("batch_lines", [1, 2, 3])
def test_batches_do_not_show(monkeypatch, vocab_file, batch_lines):
    monkeypatch.setattr(tokenize, "_BATCH_LINES", batch_lines)
    output = answer(monkeypatch, LINES, vocab_file=vocab_file)
    assert output == b"5 6 7 9\n\n\n5 6 7 11\n9\n5\n5\n"


@pytest.mark.slow
def test_as_a_program(vocab_file):
    """Flags, stdin, stdout; the ids of the reference."""
    process = subprocess.run(
        [
            *(sys.executable, "-m", "data_pipelines.tokenize"),
            *(f"--vocab_file={vocab_file}", "--lower_case=false"),
        ],
        input=LINES,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert process.returncode == 0, process.stderr
    reference = ReferenceTokenizer(VOCABULARY.tokens, lower_case=False)
    expected = [reference.ids(line) for line in LINES.split(b"\n")]
    rows = process.stdout.decode().splitlines()
    assert [[int(i) for i in row.split()] for row in rows] == expected


def test_missing_vocabulary(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="No vocabulary file"):
        answer(monkeypatch, b"a\n", vocab_file=str(tmp_path / "none.txt"))


def test_byte_bpe_without_line_ends(monkeypatch, tmp_path):
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *BYTE_SYMBOLS), ())
    path = str(tmp_path / "vocab.txt")
    for name, content in vocabulary.to_files(path).items():
        Path(name).write_bytes(content)
    output = answer(monkeypatch, b"aB\r\n\nb", vocab_file=path)
    a, capital, b = (vocabulary.id_of(letter) for letter in "aBb")
    assert output == f"{a} {capital}\n\n{b}\n".encode()
