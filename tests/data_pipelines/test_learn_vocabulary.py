import multiprocessing
import os
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from data_pipelines import learn_vocabulary as module
from data_pipelines.learn_vocabulary import (
    LearnVocabularyOptions,
    add_counts,
    count_words,
    learn_vocabulary,
    main,
    vocabulary_from_counts,
)
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

ROOT = Path(__file__).resolve().parents[2]

# Pairs at first (of five "hug", two "pug", two "hugs"):
#   h ##u 7, ##u ##g 9, p ##u 2, ##g ##s 2
# ##ug 9. Then h ##ug 7, p ##ug 2, ##ug ##s 2.
# hug 7. Then hug ##s 2, p ##ug 2; ##ug ##s has gone.
# "hug ##s" comes before "p ##ug" in the order of texts: hugs 2, then pug 2.
HUGS = {"hug": 5, "pug": 2, "hugs": 2}
HUGS_CHARACTERS = ("##g", "##s", "##u", "h", "p")
HUGS_MERGES = ("##ug", "hug", "hugs", "pug")

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


def tokens_of(vocabulary, text, lower_case=True):
    ids = WordPieceTokenizer(vocabulary, lower_case).tokenize(tf.constant([text]))
    return [vocabulary.tokens[i] for i in ids.values.numpy()]


# --- Merging.


def test_by_hand():
    vocabulary = vocabulary_from_counts(HUGS, 14)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, *HUGS_CHARACTERS, *HUGS_MERGES)


@pytest.mark.parametrize("num_merges", range(5))
def test_a_smaller_vocabulary_has_the_first_merges(num_merges):
    vocabulary = vocabulary_from_counts(HUGS, 10 + num_merges)
    assert vocabulary.tokens[5:] == (*HUGS_CHARACTERS, *HUGS_MERGES[:num_merges])


def test_repeated_characters():
    # baaaa: b ##a 1, ##a ##a 3 (overlapping); ##aa twice, from the left. Then
    # ##aa ##aa 1 before b ##aa 1.
    vocabulary = vocabulary_from_counts({"baaaa": 1}, 10)
    assert vocabulary.tokens[5:] == ("##a", "b", "##aa", "##aaaa", "baaaa")


def reference(word_counts, vocab_size):
    """All characters, and merges for which everything is counted anew each time."""
    words = {w: [w[0], *("##" + c for c in w[1:])] for w in word_counts}
    characters = sorted({piece for pieces in words.values() for piece in pieces})
    tokens = [*SPECIAL_TOKENS, *characters]
    while len(tokens) < vocab_size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in words.items():
            for i in range(len(pieces) - 1):
                pairs[pieces[i], pieces[i + 1]] += word_counts[word]
        if not pairs:
            return None
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = best[0] + best[1][2:]
        for pieces in words.values():
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == best:
                    pieces[i : i + 2] = [merged]
                i += 1
        tokens.append(merged)
    return tuple(tokens)


@pytest.mark.parametrize("seed", range(60))
def test_against_recounting_everything(seed, monkeypatch):
    monkeypatch.setattr(module, "_UNKNOWN_COST", 10**9)
    generator = random.Random(seed)
    letters = "ab" if seed % 2 else "abcdé中"
    words = {
        "".join(generator.choices(letters, k=generator.randint(1, 12))): (
            generator.choice([1, 1, 2, 3, 17])
        )
        for _ in range(generator.randint(1, 40))
    }
    full = len(SPECIAL_TOKENS) + len(
        {(character, i > 0) for word in words for i, character in enumerate(word)}
    )
    for vocab_size in (full, full + 1, full + 7, full + 40):
        expected = reference(words, vocab_size)
        if expected is None:
            with pytest.raises(ValueError, match="yields only"):
                vocabulary_from_counts(words, vocab_size)
        else:
            assert vocabulary_from_counts(words, vocab_size).tokens == expected


def test_order_of_words_does_not_matter():
    words = list(Counter(re.findall(r"\w+|\S", ENGLISH)).items())
    first = vocabulary_from_counts(dict(words), 120)
    assert len(first) == 120
    for seed in range(5):
        random.Random(seed).shuffle(words)
        assert vocabulary_from_counts(dict(words), 120) == first


def test_pieces_have_fifty_characters_at_most():
    """A longer one than 256 bytes the op of the tokenizer would refuse."""
    word = "\U00010330" * 200
    with pytest.raises(ValueError, match="yields only") as error:
        vocabulary_from_counts({word: 1}, 10_000)
    size = int(str(error.value).split("only ")[1].split()[0])
    vocabulary = vocabulary_from_counts({word: 1}, size)
    pieces = [token.removeprefix("##") for token in vocabulary.tokens]
    assert 25 < max(map(len, pieces)) <= 50
    assert "[UNK]" not in tokens_of(vocabulary, word)


# --- Which characters.


def test_all_characters_at_the_beginning_and_within():
    vocabulary = vocabulary_from_counts({"ab": 1, "ba": 1, "c": 1}, 10)
    assert vocabulary.tokens[5:] == ("##a", "##b", "a", "b", "c")


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(
        module.logging, "warning", lambda text, *values: lines.append(text % values)
    )
    return lines


def test_rare_characters_give_way_to_frequent_merges(warnings):
    # Of 2,000 words one in 2,000 has Ж: fewer than one in a hundred, and the merge
    # of ab is more than fifty times as frequent. There is no room for both.
    words = {"ab": 1999, "Ж": 1}
    assert vocabulary_from_counts(words, 8).tokens[5:] == ("##b", "a", "ab")
    assert warnings == [
        "Left out 1 rare characters, such as Ж: 0.0500 % of the words are [UNK]."
    ]


def test_rare_characters_are_kept_where_there_is_room(warnings):
    words = {"ab": 1999, "Ж": 1}
    assert vocabulary_from_counts(words, 9).tokens[5:] == ("##b", "a", "Ж", "ab")
    assert warnings == []


def test_rare_characters_come_before_merges_that_save_little(warnings):
    # cd stands 50 times and Ж once: what Ж saves is worth as much.
    words = {"ab": 1999, "cd": 50, "Ж": 1}
    assert "Ж" in vocabulary_from_counts(words, 11)
    assert "cd" not in vocabulary_from_counts(words, 11)
    words["cd"] = 51
    assert "cd" in vocabulary_from_counts(words, 11)
    assert len(warnings) == 1


def test_a_character_has_both_its_pieces_or_none(warnings):
    # Ж within a word is rare, and yet it is no rare character.
    words = {"ab": 19_990, "cd": 15_000, "Ж": 1000, "aЖ": 1}
    assert {"Ж", "##Ж", "ab"} < set(vocabulary_from_counts(words, 12).tokens)
    assert warnings == []


def test_too_small_for_the_characters():
    with pytest.raises(ValueError, match=r"vocab_size=9, expected at least 10: the 5"):
        vocabulary_from_counts(HUGS, 9)


@pytest.mark.parametrize("vocab_size", [-1, 0, 5])
def test_too_small_for_anything(vocab_size):
    with pytest.raises(ValueError, match="expected at least 10"):
        vocabulary_from_counts(HUGS, vocab_size)


def test_too_large():
    with pytest.raises(ValueError, match=r"vocab_size=15, .* yields only 14 pieces"):
        vocabulary_from_counts(HUGS, 15)


def test_no_words():
    with pytest.raises(ValueError, match="no words"):
        vocabulary_from_counts({}, 100)


def test_no_words_in_the_files(tmp_path):
    with pytest.raises(ValueError, match="no words"):
        learn(folder_of(tmp_path, " \n", ""), 100)


# --- Counting.


def test_words_are_those_of_the_tokenizer(tmp_path):
    source = folder_of(tmp_path, "Don't, DON'T!\u200b Élan 中文")[0].replace("*", "0")
    assert count_words(source, True) == {
        **{"don": 2, "'": 2, "t": 2, ",": 1, "!": 1, "elan": 1, "中": 1, "文": 1}
    }
    assert count_words(source, False) == {
        **{"Don": 1, "DON": 1, "'": 2, "t": 1, "T": 1, ",": 1, "!": 1},
        **{"Élan": 1, "中": 1, "文": 1},
    }


def test_words_without_end_are_left_out(tmp_path):
    source = folder_of(tmp_path, "a" * 201 + " " + "é" * 200)[0].replace("*", "0")
    assert count_words(source, False) == {"é" * 200: 1}


def test_counts_add_up():
    assert add_counts([{"a": 1, "b": 2}, {}, {"b": 3}]) == {"a": 1, "b": 5}


def test_separator_reaches_the_reader(tmp_path, monkeypatch):
    separators = []

    def read(source, separator):
        separators.append(separator)
        return ["a b"]

    monkeypatch.setattr(module.corpus, "read_documents", read)
    learn(folder_of(tmp_path, "x"), 7, separator="blank_line")
    assert separators == ["blank_line"]


def test_unknown_separator(tmp_path):
    with pytest.raises(ValueError, match="separator='line'"):
        learn(folder_of(tmp_path, "x"), 7, separator="line")


# --- Learning from files.


@pytest.mark.parametrize("lower_case", [True, False])
def test_exact_size_and_no_unknown_words(tmp_path, lower_case):
    input_files = folder_of(tmp_path, ENGLISH, CHINESE)
    for vocab_size in (140, 150, 167):
        vocabulary = learn(input_files, vocab_size, lower_case=lower_case)
        assert len(vocabulary) == vocab_size
        assert vocabulary.tokens[:5] == SPECIAL_TOKENS
        for text in (ENGLISH, CHINESE):
            assert "[UNK]" not in tokens_of(vocabulary, text, lower_case)


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
    assert "Left out" in warnings[0] and "rare characters" in warnings[0]


def test_special_tokens_in_the_text_are_text(tmp_path):
    text = "[MASK] [UNK] [PAD] [CLS] [SEP]\n" * 50
    vocabulary = learn(folder_of(tmp_path, text), 31, lower_case=False)
    assert not set(SPECIAL_TOKENS) & set(vocabulary.tokens[5:])
    assert {"[", "]", "MASK", "UNK"} <= set(vocabulary.tokens)
    assert tokens_of(vocabulary, "[MASK]", False) == ["[", "MASK", "]"]


@pytest.mark.slow
def test_division_into_files_and_processes_do_not_show(tmp_path):
    lines = ENGLISH.splitlines(keepends=True)
    whole = learn(folder_of(tmp_path / "a", "".join(lines)), 110)
    reverse = learn(folder_of(tmp_path / "b", *reversed(lines)), 110)
    parallel = learn(folder_of(tmp_path / "c", *lines), 110, num_processes=2)
    assert whole.to_bytes() == reverse.to_bytes() == parallel.to_bytes()
    assert multiprocessing.active_children() == []


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
    assert os.listdir(tmp_path / "new") == ["vocab.txt"]
    vocabulary = Vocabulary.from_file(options.vocab_file)
    assert vocabulary == learn(options.input_files, 110)
    assert "vocab.txt: 110 pieces" in capsys.readouterr().out


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
    with pytest.raises((OSError, tf.errors.OpError)):
        main(options_for(tmp_path))
    assert (tmp_path / "vocab.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["text", "vocab.txt"]


def test_a_folder_that_can_not_be_written(tmp_path, nothing_is_counted):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write .*file/vocab.txt"):
        main(options_for(tmp_path, vocab_file=str(tmp_path / "file" / "vocab.txt")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path, nothing_is_counted):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OSError, match="Can not write"):
        main(options_for(tmp_path, vocab_file=str(tmp_path / "locked" / "vocab.txt")))


def test_nothing_stays_of_a_run_that_fails(tmp_path):
    with pytest.raises(ValueError, match="yields only"):
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
