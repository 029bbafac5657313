"""Tokens that transformers added: the same ids here, and again after the way back."""

import json

import pytest
import tensorflow as tf

from bert_tf.checkpoints import google, keras_hub, model_dir
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.hugging_face import tokenizer as their_tokenizer
from bert_tf.checkpoints.model_dir import Description
from bert_tf.checkpoints.tensors import Tensors, open_safetensors, write_safetensors
from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import (
    CLS,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
)
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of
from tests.bert_tf.small_models import VOCABULARY

PIECES = ("the", "cat", "sat", "new", "##bie", "x", "##x", "<", ">", "s", "##s")
WORDPIECE = Vocabulary((*SPECIAL_TOKENS, *PIECES))
NAMES = {CLS: "<s>", PAD: "<pad>", SEP: "</s>", UNK: "<unk>", MASK: "<mask>"}
MERGES = (("c", "a"), ("ca", "t"), ("Ġ", "cat"))
BYTE_LEVEL = Vocabulary((*SPECIAL_TOKENS, *BYTE_SYMBOLS, "ca", "cat", "Ġcat"), MERGES)

# Contents, flags, and what is added as special.
ADDED = [
    ("newbie", {}, False),
    ("Foo Bar", {}, False),
    ("[ENT]", {"normalized": False}, False),
    ("<e1>", {"lstrip": True, "rstrip": True, "single_word": True}, False),
    ("cat", {"single_word": True}, False),  # Which is a piece, too.
    ("<sp>", {}, True),
]
TEXTS = [
    "the newbie sat",
    "newbies NEWBIE xnewbiex",
    "foo bar Foo Bar FOO  BAR foobar",
    "[ENT] [ent] x[ENT]x",
    "x <e1> x<e1>x  <e1>",
    "cats cat concat",
    "x<sp>x <sp>",
    "",
]


def transformers_library():
    return pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )


def written_tokenizer(vocabulary, folder):
    """The files of a tokenizer without added tokens, as they are published."""
    if vocabulary.kind == "wordpiece":
        (folder / "vocab.txt").write_bytes(vocabulary.to_bytes())
        (folder / "config.json").write_text('{"model_type": "bert"}')
        return
    tokens = [NAMES.get(token, token) for token in vocabulary.tokens]
    ids = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids))
    lines = [f"{left} {right}\n" for left, right in vocabulary.merges]
    (folder / "merges.txt").write_text("".join(["#version: 0.2\n", *lines]))
    (folder / "config.json").write_text('{"model_type": "roberta"}')


def add(tokenizer):
    library = transformers_library()
    for content, flags, special in ADDED:
        tokenizer.add_tokens(
            [library.AddedToken(content, **flags)], special_tokens=special
        )


def our_ids(vocabulary, texts):
    return make_tokenizer(vocabulary).tokenize(tf.constant(texts)).to_list()


@pytest.mark.parametrize(
    "vocabulary", [WORDPIECE, BYTE_LEVEL], ids=["wordpiece", "bpe"]
)
def test_the_same_ids_as_transformers_there_and_back(vocabulary, tmp_path):
    library = transformers_library()
    for name in ("published", "theirs", "written"):
        (tmp_path / name).mkdir()
    written_tokenizer(vocabulary, tmp_path / "published")
    theirs = library.AutoTokenizer.from_pretrained(tmp_path / "published")
    add(theirs)
    theirs.save_pretrained(tmp_path / "theirs")
    expected = theirs(TEXTS, add_special_tokens=False)["input_ids"]

    found = their_tokenizer.read(str(tmp_path / "theirs"))
    assert len(found) == len(theirs)
    assert our_ids(found, TEXTS) == expected
    # In a model folder.
    path = str(tmp_path / "vocab.txt")
    for name, content in found.to_files(path).items():
        tf.io.gfile.GFile(name, "wb").write(content)
    assert Vocabulary.from_file(path) == found
    # And given back.
    folder = tmp_path / "written"
    their_tokenizer.write(str(folder), found, 512, True)
    (folder / "config.json").write_text(
        (tmp_path / "published/config.json").read_text()
    )
    assert their_tokenizer.read(str(folder)) == found
    again = library.AutoTokenizer.from_pretrained(folder)
    assert again(TEXTS, add_special_tokens=False)["input_ids"] == expected
    assert again("the cat")["input_ids"] == theirs("the cat")["input_ids"]


@pytest.mark.parametrize(
    ("files", "text", "expected"),
    [
        # Before version 4.34, without tokenizer.json.
        ({"added_tokens.json": {"newbie": 16}}, "the newbie sat", [5, 16, 7]),
        (
            {
                "tokenizer_config.json": {
                    "added_tokens_decoder": {
                        "0": {"content": "[PAD]", "special": True},
                        "16": {"content": "Newbie", "normalized": False},
                    }
                }
            },
            "newbie Newbie",
            [8, 9, 16],
        ),
        (
            {"special_tokens_map.json": {"additional_special_tokens": ["sat"]}},
            "xsat",
            [10, 7],
        ),
        (
            {"tokenizer_config.json": {"additional_special_tokens": ["<e>", "<f>"]}},
            "x<f>x",
            [10, 17, 10],
        ),
        (
            {"tokenizer_config.json": {"extra_special_tokens": {"e": "<e>"}}},
            "x<e>x",
            [10, 16, 10],
        ),
        ({"tokenizer_config.json": {"extra_special_tokens": []}}, "x", [10]),
    ],
)
def test_files_of_all_versions(tmp_path, files, text, expected):
    written_tokenizer(WORDPIECE, tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    found = their_tokenizer.read(str(tmp_path))
    assert our_ids(found, [text]) == [expected]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"added_tokens.json": {"newbie": 17}},
            "ids of the vocabulary in .* have gaps",
        ),
        ({"added_tokens.json": {"cat": 16}}, "'cat' in .* has the ids 6 and 16"),
        (
            {"added_tokens.json": {"a\nb": 16}},
            "an added token of one line",
        ),
        (
            {
                "tokenizer_config.json": {
                    "added_tokens_decoder": {"x": {"content": "a"}}
                }
            },
            "invalid literal",
        ),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"16": 4}}},
            "Expected an added token|are malformed",
        ),
    ],
)
def test_files_that_are_not_sure(tmp_path, files, message):
    written_tokenizer(WORDPIECE, tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        their_tokenizer.read(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"normalizer": {"type": "NFKC"}}, "'normalizer': 'NFKC'"),
        ({"normalizer": None}, "'normalizer': None"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "'pre_tokenizer': 'Whitespace'"),
        (
            {"normalizer": {"type": "BertNormalizer", "clean_text": False}},
            "'clean_text': False",
        ),
        ({"model": {"continuing_subword_prefix": "@@"}}, "'@@'"),
        ({"model": {"unk_token": "<unk>"}}, "'unk_token': '<unk>'"),
    ],
)
def test_settings_that_change_the_pieces(tmp_path, values, message):
    their_tokenizer.write(str(tmp_path), WORDPIECE, 512, True)
    path = tmp_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    model = {**tokenizer["model"], **values.pop("model", {})}
    path.write_text(json.dumps({**tokenizer, **values, "model": model}))
    with pytest.raises(ValueError, match=message):
        their_tokenizer.read(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {
                "tokenizer_class": "BertJapaneseTokenizer",
                "word_tokenizer_type": "mecab",
            },
            r"of the class BertJapaneseTokenizer, without tokenizer\.json",
        ),
        ({"tokenizer_class": "MyTokenizer"}, "of the class MyTokenizer"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize=false"),
    ],
)
def test_words_that_are_found_otherwise(tmp_path, settings, message):
    written_tokenizer(WORDPIECE, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        their_tokenizer.read(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BertTokenizer", True),
        ("BertTokenizerFast", True),
        ("PreTrainedTokenizerFast", False),
        ("TokenizersBackend", False),
    ],
)
def test_the_casing_that_counts(tmp_path, name, expected):
    """Of BERT's own class the settings, of others tokenizer.json."""
    their_tokenizer.write(str(tmp_path), WORDPIECE, 512, True)
    path = tmp_path / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "tokenizer_class": name}))
    path = tmp_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(tokenizer))
    assert their_tokenizer.read(str(tmp_path)).lower_case == expected


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod."])
def test_names_that_pytorch_has_wrapped(tmp_path, wrapper):
    checkpoint = encoder(tmp_path / "ours", stride=None)
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(folder))
    path = str(folder / "model.safetensors")
    stored = open_safetensors(path)
    arrays = Tensors.of({name: stored.read(name) for name in stored.shapes})
    names = {wrapper + name: name for name in arrays.shapes}
    write_safetensors(path, arrays.renamed(names), {})
    assert_same(hugging_face.read(str(folder)), checkpoint)


LONG = ["x" * 100, "x" * 101, "x" * 150, "x" * 200, "x" * 201, "é" * 150]


@pytest.mark.parametrize("limit", [100, 150, 200, 7])
def test_words_as_long_as_the_source_allows(tmp_path, limit):
    their_tokenizer.write(str(tmp_path), WORDPIECE, 512, True)
    path = tmp_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["max_input_chars_per_word"] = limit
    path.write_text(json.dumps(tokenizer))
    found = their_tokenizer.read(str(tmp_path))
    x, more, unknown = (found.id_of(piece) for piece in ("x", "##x", UNK))
    assert our_ids(found, LONG) == [
        [x] + (len(text) - 1) * [more]
        if len(text) <= limit and text[0] == "x"
        else [unknown]
        for text in LONG
    ]
    again = tmp_path / "vocab.txt"
    for name, content in found.to_files(str(again)).items():
        tf.io.gfile.GFile(name, "wb").write(content)
    assert Vocabulary.from_file(str(again)).max_word_characters == limit


def test_a_vocabulary_alone_has_the_limit_of_transformers(tmp_path):
    written_tokenizer(WORDPIECE, tmp_path)
    assert their_tokenizer.read(str(tmp_path)).max_word_characters == 100


@pytest.mark.parametrize("limit", [100, 200])
def test_transformers_takes_as_long_words_from_us(tmp_path, limit):
    library = transformers_library()
    vocabulary = Vocabulary(WORDPIECE.tokens, max_word_characters=limit)
    their_tokenizer.write(str(tmp_path), vocabulary, 512, True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    theirs = library.AutoTokenizer.from_pretrained(tmp_path)
    expected = theirs(LONG, add_special_tokens=False)["input_ids"]
    assert our_ids(vocabulary, LONG) == expected


@pytest.mark.parametrize("form", [google, keras_hub])
def test_formats_that_find_no_added_tokens(tmp_path, form):
    token = AddedToken(VOCABULARY.tokens[-1])
    checkpoint = checkpoint_of(
        Description("pretraining", head={"mlm_head": False}), tmp_path / "ours"
    )
    vocabulary = Vocabulary(VOCABULARY.tokens, added_tokens=(token,))
    checkpoint = model_dir.Checkpoint(
        checkpoint.config, vocabulary, checkpoint.description, checkpoint.weights
    )
    with pytest.raises(ValueError, match="'added_tokens': "):
        form.write(checkpoint, str(tmp_path / "new"))


def test_a_capital_in_an_added_token_says_nothing_of_the_casing(tmp_path):
    written_tokenizer(WORDPIECE, tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"Newbie": 16}))
    assert their_tokenizer.read(str(tmp_path)).lower_case


def encoder(folder, **changes):
    description = Description(
        "regression", head={"num_outputs": 1}, encoding={"max_length": 12, **changes}
    )
    return checkpoint_of(description, folder)


def test_the_length_that_a_model_was_trained_with(tmp_path):
    """Where the rest is cut off here, it is cut off there, and comes back."""
    for changes, expected in (({"stride": None}, 12), ({"stride": 3}, 24)):
        name = str(expected)
        checkpoint = encoder(tmp_path / f"ours{name}", **changes)
        folder = tmp_path / f"theirs{name}"
        hugging_face.write(checkpoint, str(folder))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        assert settings["model_max_length"] == expected
        found = hugging_face.read(str(folder))
        assert found.description.encoding["max_length"] == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [(None, 24), (10**30, 24), (1e30, 24), (8, 8), (8.0, 8), (0, 24), ("8", 24)],
)
def test_lengths_of_all_kinds(tmp_path, written, expected):
    folder = tmp_path / "theirs"
    hugging_face.write(encoder(tmp_path / "ours", stride=None), str(folder))
    path = folder / "tokenizer_config.json"
    settings = {**json.loads(path.read_text()), "model_max_length": written}
    path.write_text(json.dumps(settings))
    found = hugging_face.read(str(folder)).description
    assert found.encoding["max_length"] == expected
