"""What a line is reaches every program that reads documents."""

import dataclasses
import typing

import pytest
import tensorflow as tf

from bert_tf.comparison.options import CompareOptions
from bert_tf.learn_vectors import LearnVectorsOptions, text_of
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.corpus.layout import Layout, Lines
from data_pipelines.corrupt_text import CorruptTextOptions, pairs
from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions
from data_pipelines.learn_vocabulary import LearnVocabularyOptions

TEXT = "Dr. Who left. He ran!\nSo did I."
# One sentence a line, in the eyes of its maker; with stops within, and one without.
LINES = ["He came in 1850. Nobody saw him there", "that is what they said", "We left."]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("sentences", [["Dr. Who left. He ran!", "So did I."], ["a", "b"]]),
        ("auto", [["Dr. Who left.", "He ran!", "So did I."], ["a", "b"]]),
        ("wrapped", [["Dr. Who left.", "He ran!", "So did I."], ["a", "b"]]),
    ],
)
def test_sentences_of_a_layout(lines, expected):
    texts = tf.constant([TEXT, "a\n\nb\n"])
    found = Layout(lines=lines).sentences_of(texts).to_list()
    assert [[s.decode() for s in sentences] for sentences in found] == expected


@pytest.mark.parametrize(
    "options",
    [
        *(CompareOptions, CorruptTextOptions, CreatePretrainingDataOptions),
        *(LearnVectorsOptions, LearnVocabularyOptions, PretrainOptions),
    ],
)
def test_every_program_has_the_options(options):
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    assert (defaults["separator"], defaults["lines"]) == ("file", "auto")
    assert typing.get_type_hints(options)["lines"] == Lines


def test_lines_of_corrupt_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(LINES))

    def sentences(lines):
        options = CorruptTextOptions(
            input_files=(str(path),),
            output_file="a.tsv",
            language="english",
            clean_fraction=1.0,
            lines=lines,
        )
        return [corrected for _, corrected in pairs(options)]

    assert sentences("sentences") == LINES[:2]
    assert sentences("auto") == ["Nobody saw him there", LINES[1]]
    assert sentences("wrapped") == [f"Nobody saw him there {LINES[1]} {LINES[2]}"]


def test_lines_of_learn_vectors(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a self-\ncontained text")
    options = {"input_files": (str(path),), "vectors_file": "a.txt"}
    wrapped = text_of(LearnVectorsOptions(**options, lines="wrapped"))
    assert wrapped.layout.lines == "wrapped"
    assert list(wrapped) == [["a", "self", "contained", "text"]]
