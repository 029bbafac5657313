import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from data_pipelines import learn_vocabulary as module
from data_pipelines.corpus.layout import Layout
from data_pipelines.learn_vocabulary import (
    LearnVocabularyOptions,
    learn_vocabulary,
    main,
)
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from data_pipelines.vocabulary_learning import count_words, wordpiece

ROOT = Path(__file__).resolve().parents[2]

ENGLISH = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, "
    "it was the age of foolishness.\n"
    "“Humbug!” said Scrooge. “A Café in the Élysée, isn't it?”\n"
    "[MASK] and [UNK] are written here, and [CLS] [SEP] [PAD] ##s too.\n"
)
CHINESE = (
    "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心。\n"
    "BERT在2018年发表,两个berts。\n"
)


def folder_of(tmp_path, *texts):
    tmp_path.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    return [str(tmp_path / "*.txt")]


def learn(input_files, vocab_size, *, lower_case=True, num_processes=1, **options):
    return learn_vocabulary(
        input_files=input_files,
        vocab_size=vocab_size,
        lower_case=lower_case,
        num_processes=num_processes,
        **options,
    )


def tokens_of(vocabulary, text):
    ids = WordPieceTokenizer(vocabulary).tokenize(tf.constant([text]))
    return [vocabulary.tokens[i] for i in ids.values.numpy()]


# --- Learning from files.


@pytest.mark.parametrize("lower_case", [True, False])
def test_exact_size_and_no_unknown_words(tmp_path, lower_case):
    input_files = folder_of(tmp_path, ENGLISH, CHINESE)
    for vocab_size in (140, 150, 167):
        vocabulary = learn(input_files, vocab_size, lower_case=lower_case)
        assert len(vocabulary) == vocab_size
        assert vocabulary.tokens[:5] == SPECIAL_TOKENS
        for text in (ENGLISH, CHINESE):
            assert "[UNK]" not in tokens_of(vocabulary, text)


def test_lower_case(tmp_path):
    input_files = folder_of(tmp_path, ENGLISH)
    uncased = learn(input_files, 100).tokens[5:]
    assert all(token == token.lower() for token in uncased)
    assert "##é" not in uncased
    cased = learn(input_files, 100, lower_case=False).tokens
    assert {"S", "É", "##é"} <= set(cased)
    accented = learn(input_files, 100, strip_accents=False).tokens
    assert {"s", "é", "##é"} <= set(accented) and "É" not in accented


def test_ideographs_are_words(tmp_path):
    vocabulary = learn(folder_of(tmp_path, CHINESE * 3), 52)
    ideographs = [token for token in vocabulary.tokens if "一" <= token[-1] <= "龥"]
    assert len(ideographs) == 29
    assert all(len(token) == 1 for token in ideographs)
    assert "bert" in vocabulary
    assert tokens_of(vocabulary, "人berts") == ["人", "berts"]


def test_chinese_alphabet_that_does_not_fit(tmp_path, warnings):
    """Frequent ideographs, and hundreds that stand there once."""
    rare = "".join(map(chr, range(0x5000, 0x5000 + 300)))
    text = CHINESE * 1000 + rare
    vocabulary = learn(folder_of(tmp_path, text), 80)
    assert len(vocabulary) == 80
    assert "[UNK]" not in tokens_of(vocabulary, CHINESE)
    assert "Dropped" in warnings[0] and "rare characters" in warnings[0]


def test_special_tokens_in_the_text_are_text(tmp_path):
    text = "[MASK] [UNK] [PAD] [CLS] [SEP]\n" * 50
    vocabulary = learn(folder_of(tmp_path, text), 31, lower_case=False)
    assert not set(SPECIAL_TOKENS) & set(vocabulary.tokens[5:])
    assert {"[", "]", "MASK", "UNK"} <= set(vocabulary.tokens)
    assert tokens_of(vocabulary, "[MASK]") == ["[", "MASK", "]"]


@pytest.mark.slow
def test_division_into_files_and_processes_do_not_show(tmp_path):
    lines = ENGLISH.splitlines(keepends=True)
    whole = learn(folder_of(tmp_path / "a", "".join(lines)), 110)
    reverse = learn(folder_of(tmp_path / "b", *reversed(lines)), 110)
    parallel = learn(folder_of(tmp_path / "c", *lines), 110, num_processes=2)
    assert whole.to_bytes() == reverse.to_bytes() == parallel.to_bytes()
    assert multiprocessing.active_children() == []


def test_no_words_in_the_files(tmp_path):
    with pytest.raises(ValueError, match="no words"):
        learn(folder_of(tmp_path, " \n", ""), 100)


def test_layout_reaches_the_reader(tmp_path, monkeypatch):
    layouts = []

    def read(source, layout):
        layouts.append(layout)
        return ["a b"]

    monkeypatch.setattr(count_words.corpus, "read_documents", read)
    learn(folder_of(tmp_path, "x"), 7, layout=Layout(separator="blank_line"))
    assert layouts == [Layout(separator="blank_line")]


def test_unknown_separator(tmp_path):
    with pytest.raises(ValueError, match="separator='line'"):
        learn(folder_of(tmp_path, "x"), 7, layout=Layout(separator="line"))


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(
        wordpiece.logging, "warning", lambda text, *values: lines.append(text % values)
    )
    return lines


def test_no_processes(tmp_path):
    with pytest.raises(ValueError, match="num_processes=0"):
        learn(folder_of(tmp_path, ENGLISH), 110, num_processes=0)


def test_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="matches nothing"):
        learn([str(tmp_path / "*.txt")], 110)


# --- The program.


def options_for(tmp_path, **options):
    return LearnVocabularyOptions(
        input_files=tuple(folder_of(tmp_path / "text", ENGLISH)),
        **{"vocab_size": 110, "vocab_file": str(tmp_path / "vocab.txt"), **options},
    )


def test_main(tmp_path, capsys):
    options = options_for(tmp_path, vocab_file=str(tmp_path / "new" / "vocab.txt"))
    main(options)
    assert sorted(os.listdir(tmp_path / "new")) == ["tokenization.json", "vocab.txt"]
    vocabulary = Vocabulary.from_file(options.vocab_file)
    assert vocabulary == learn(options.input_files, 110)
    assert "vocab.txt: 110 pieces" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lower_case", "strip_accents", "expected"),
    [
        (None, None, (True, True)),
        (False, None, (False, False)),
        (None, False, (True, False)),
    ],
)
def test_the_casing_is_written_beside_the_vocabulary(
    tmp_path, lower_case, strip_accents, expected
):
    options = options_for(tmp_path, lower_case=lower_case, strip_accents=strip_accents)
    main(options)
    found = Vocabulary.from_file(options.vocab_file)
    assert (found.lower_case, found.strip_accents) == expected
    with pytest.raises(ValueError, match=f"Expected lower_case={expected[0]}"):
        Vocabulary.from_file(options.vocab_file, lower_case=not expected[0])


def test_a_folder_holds_one_vocabulary(tmp_path, nothing_is_counted):
    (tmp_path / "tokenization.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"tokenization\.json exists already"):
        main(options_for(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["text", "tokenization.json"]


@pytest.fixture
def nothing_is_counted(monkeypatch):
    def fail(*arguments, **keywords):
        raise AssertionError("Counting began.")

    monkeypatch.setattr(module, "count_words", fail)


def test_a_file_that_is_there_is_kept(tmp_path, nothing_is_counted):
    (tmp_path / "vocab.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"vocab.txt exists already\. Nothing"):
        main(options_for(tmp_path))
    assert (tmp_path / "vocab.txt").read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    def appear(**options):
        (tmp_path / "vocab.txt").write_text("mine")
        return Vocabulary(SPECIAL_TOKENS)

    monkeypatch.setattr(module, "learn_vocabulary", appear)
    with pytest.raises(FileExistsError, match="the new output is kept as") as raised:
        main(options_for(tmp_path))
    assert (tmp_path / "vocab.txt").read_text() == "mine"
    kept = re.search(r"vocab\.txt\.\w{8}(?=\.$)", str(raised.value))[0]
    assert sorted(os.listdir(tmp_path)) == ["text", "vocab.txt", kept]


@pytest.mark.parametrize(
    ("tokenizer", "vocab_size"), [("wordpiece", 110), ("byte_bpe", 270)]
)
def test_a_vocabulary_never_is_without_the_files_beside_it(
    tmp_path, monkeypatch, tokenizer, vocab_size
):
    rename = tf.io.gfile.rename
    alone = []

    def noted(source, target, overwrite=False):
        rename(source, target, overwrite)
        expected = {"tokenization.json", *(["merges.txt"] * (tokenizer == "byte_bpe"))}
        if (tmp_path / "vocab.txt").exists():
            alone.append(expected - set(os.listdir(tmp_path)))

    monkeypatch.setattr(tf.io.gfile, "rename", noted)
    main(options_for(tmp_path, tokenizer=tokenizer, vocab_size=vocab_size))
    assert alone == [set()]


def test_a_folder_that_can_not_be_written(tmp_path, nothing_is_counted):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write .*file/vocab.txt"):
        main(options_for(tmp_path, vocab_file=str(tmp_path / "file" / "vocab.txt")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path, nothing_is_counted):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OSError, match="Cannot write"):
        main(options_for(tmp_path, vocab_file=str(tmp_path / "locked" / "vocab.txt")))


def test_nothing_stays_of_a_run_that_fails(tmp_path):
    with pytest.raises(ValueError, match="Expected at most"):
        main(options_for(tmp_path, vocab_size=10_000))
    assert os.listdir(tmp_path) == ["text"]


@pytest.mark.slow
def test_as_a_program(tmp_path):
    options = options_for(tmp_path, lower_case=False)
    command = [
        *(sys.executable, "-m", "data_pipelines.learn_vocabulary"),
        f"--input_files={options.input_files[0]}",
        *("--vocab_size=110", f"--vocab_file={options.vocab_file}"),
        "--lower_case=false",
    ]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    process = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment)
    assert process.returncode == 0, process.stderr
    assert b"110 pieces" in process.stdout
    expected = learn(options.input_files, 110, lower_case=False)
    assert Path(options.vocab_file).read_bytes() == expected.to_bytes()
