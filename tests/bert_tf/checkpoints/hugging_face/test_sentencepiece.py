"""Tokenizers of XLM-RoBERTa, CamemBERT and DeBERTa: taken over, and given back."""

import json
import random
import unicodedata

import pytest
import tensorflow as tf

from bert_tf.checkpoints.hugging_face import tokenizer as their_tokenizer
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.tokenizers.sentencepiece_model import read_model
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, UNK, Vocabulary
from tests.data_pipelines.tokenizers.sentencepiece_vocabulary import (
    OTHER,
    learned_model,
)

transformers = pytest.importorskip(
    "transformers", reason="needs transformers, of requirements-peers.txt"
)

# The file of the model, its class, and whether it begins as DeBERTa's.
FAMILIES = {
    "xlm-roberta": ("sentencepiece.bpe.model", "XLMRobertaTokenizer", False),
    "camembert": ("sentencepiece.bpe.model", "CamembertTokenizer", False),
    "deberta-v2": ("spm.model", "DebertaV2Tokenizer", True),
}
TEXTS = [
    "",
    "Hello world, it's 1,234.5 (ok)!",
    "  two  spaces  ",
    "tabs\tand\nlines",
    OTHER,
    "😀 \U0002ebf0 a",
]
# What SentencePiece's table composes, and theirs for DeBERTa does not.
COMPATIBLE = ["ﬁne ｆｕｌｌ　width ①½", "\u00a0a\u2009b\u3000c"]


def folder_of(family, folder, **settings):
    """As it is published: a model file, and a few settings."""
    name, class_name, bert_names = FAMILIES[family]
    folder.mkdir()
    (folder / name).write_bytes(learned_model(bert_names=bert_names))
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    values = {"tokenizer_class": class_name, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(values))
    return folder


def random_texts(count, seed=0):
    draw = random.Random(seed)
    letters = "aab  'sé中!.t lЁжहि한글ไทย12"
    return [
        "".join(draw.choice(letters) for _ in range(draw.randint(0, 40)))
        for _ in range(count)
    ]


def assert_same_ids(vocabulary, theirs, texts):
    """The same, or pieces of the same text that are as likely."""
    pieces, _ = read_model(vocabulary.sentencepiece, "a test")
    scores = {piece.text: piece.score for piece in pieces}

    def spelled(ids):
        tokens = [vocabulary.tokens[index] for index in ids]
        return "".join(tokens), sum(scores.get(token, 0.0) for token in tokens)

    found = make_tokenizer(vocabulary).tokenize(tf.constant(texts)).to_list()
    ties = 0
    for text, row in zip(texts, found, strict=True):
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        if row != expected:
            ties += 1
            one, other = spelled(row), spelled(expected)
            assert one[0] == other[0], text
            assert one[1] == pytest.approx(other[1], abs=1e-3), text
    assert ties <= 0.02 * len(texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_ids_from_a_model_file_and_from_a_json_file(family, tmp_path):
    published = folder_of(family, tmp_path / "published")
    theirs = transformers.AutoTokenizer.from_pretrained(published)
    vocabulary = their_tokenizer.read(str(published))
    assert vocabulary.kind == "sentencepiece"
    assert len(vocabulary) == len(theirs)
    special = {
        CLS: theirs.cls_token_id,
        SEP: theirs.sep_token_id,
        PAD: theirs.pad_token_id,
        UNK: theirs.unk_token_id,
        MASK: theirs.mask_token_id,
    }
    assert {token: vocabulary.id_of(token) for token in special} == special
    texts = [*TEXTS, *random_texts(300), *COMPATIBLE]
    if family == "deberta-v2":
        # Theirs leaves out the table of its model file.
        texts = [unicodedata.normalize("NFKC", text) for text in texts]
    assert_same_ids(vocabulary, theirs, texts)

    # As today's transformers saves it: a tokenizer.json alone.
    saved = tmp_path / "saved"
    theirs.save_pretrained(saved)
    (saved / "config.json").write_text(json.dumps({"model_type": family}))
    assert not (saved / FAMILIES[family][0]).exists()
    again = their_tokenizer.read(str(saved))
    assert again.tokens == vocabulary.tokens
    assert again.num_separators == vocabulary.num_separators
    assert_same_ids(again, theirs, texts)

    # And as we write it.
    for number, ours in enumerate((vocabulary, again)):
        written = tmp_path / f"written_{number}"
        written.mkdir()
        (written / "config.json").write_text(json.dumps({"model_type": family}))
        their_tokenizer.write(str(written), ours, 64, has_segments=False)
        assert their_tokenizer.read(str(written)) == ours
        opened = transformers.AutoTokenizer.from_pretrained(written)
        assert_same_ids(ours, opened, texts)
        assert opened.mask_token == theirs.mask_token


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs(family, tmp_path):
    published = folder_of(family, tmp_path / "published")
    theirs = transformers.AutoTokenizer.from_pretrained(published)
    vocabulary = their_tokenizer.read(str(published))
    encoding = ClassificationEncoding(
        make_tokenizer(vocabulary), 64, labels=("no", "yes")
    )
    pairs = [("The cat sat.", "It's on a mat, 中文"), ("a b", "c")]
    examples = [TextExample(str(n), *pair, None) for n, pair in enumerate(pairs)]
    features, _ = encoding.encode(encoding.columns(examples))
    for pair, row in zip(pairs, features["token_ids"].to_list(), strict=True):
        assert row == theirs(*pair)["input_ids"]


def test_in_a_folder_of_ours(tmp_path):
    published = folder_of("xlm-roberta", tmp_path / "published")
    vocabulary = their_tokenizer.read(str(published))
    (tmp_path / "ours").mkdir()
    path = str(tmp_path / "ours" / "vocab.txt")
    for name, content in vocabulary.to_files(path).items():
        tf.io.gfile.GFile(name, "wb").write(content)
    found = Vocabulary.from_file(path)
    assert found == vocabulary and found.fingerprint == vocabulary.fingerprint
    assert found.sentencepiece == vocabulary.sentencepiece
    (tmp_path / "ours" / "sentencepiece.model").unlink()
    with pytest.raises(FileNotFoundError, match=r"No SentencePiece model at"):
        Vocabulary.from_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "'normalizer': {'type': 'Lowercase'}"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "'pre_tokenizer'"),
        ({"model": {"byte_fallback": True}}, "'byte_fallback': True"),
    ],
)
def test_other_kinds_of_unigram_are_refused(tmp_path, change, message):
    published = folder_of("xlm-roberta", tmp_path / "published")
    theirs = transformers.AutoTokenizer.from_pretrained(published)
    theirs.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "tokenizer.json"
    values = json.loads(path.read_text())
    model = {**values["model"], **change.get("model", {})}
    path.write_text(json.dumps({**values, **change, "model": model}))
    with pytest.raises(ValueError, match=r"is Unigram with .*") as caught:
        their_tokenizer.read(str(tmp_path / "saved"))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["do_lower_case", "split_by_punct"])
def test_settings_that_are_refused(tmp_path, name):
    published = folder_of("deberta-v2", tmp_path / "published", **{name: True})
    with pytest.raises(ValueError, match=name):
        their_tokenizer.read(str(published))


def test_a_model_file_that_is_cut_short(tmp_path):
    published = folder_of("xlm-roberta", tmp_path / "published")
    path = published / "sentencepiece.bpe.model"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="or is cut short"):
        their_tokenizer.read(str(published))
