"""RoBERTa's tokenizer in Hugging Face folders: taken over, and given back."""

import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import convert
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.hugging_face import tokenizer as their_tokenizer
from bert_tf.serving.pretrained import TextModel
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, UNK, Vocabulary
from tests.data_pipelines.tokenizers.byte_bpe_vocabulary import learned_vocabulary

pytest.importorskip("tokenizers", reason="needs tokenizers, of requirements.txt")

NAMES = {CLS: "<s>", PAD: "<pad>", SEP: "</s>", UNK: "<unk>", MASK: "<mask>"}
TEXTS = ["The <mask> sat.", " <mask>  it's 中文\n<mask><mask>", "", "L'été <mask>,"]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    """With the ids that RoBERTa's special tokens have."""
    learned = learned_vocabulary(str(tmp_path_factory.mktemp("byte_bpe")), 800)
    tokens = (CLS, PAD, SEP, UNK, *learned.tokens[5:], MASK)
    return Vocabulary(tokens, learned.merges)


def write_tokenizer(vocabulary, folder):
    """As RoBERTa is published."""
    tokens = [NAMES.get(token, token) for token in vocabulary.tokens]
    ids = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids))
    lines = [f"{left} {right}\n" for left, right in vocabulary.merges]
    (folder / "merges.txt").write_text("".join(["#version: 0.2\n", *lines]))


def their_library(folder):
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_files_of_a_published_one(vocabulary, tmp_path):
    write_tokenizer(vocabulary, tmp_path)
    found = their_tokenizer.read(str(tmp_path))
    assert found == vocabulary and not found.lower_case and not found.strip_accents


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_round_trip(vocabulary, tmp_path, add_prefix_space):
    vocabulary = Vocabulary(vocabulary.tokens, vocabulary.merges, add_prefix_space)
    their_tokenizer.write(str(tmp_path), vocabulary, 512, True)
    assert their_tokenizer.read(str(tmp_path)) == vocabulary


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "NFKC"}},
        {"pre_tokenizer": {"type": "Metaspace"}},
        {"model": {"ignore_merges": True}},
        {"model": {"end_of_word_suffix": "</w>"}},
    ],
)
def test_other_kinds_of_bpe_are_refused(vocabulary, tmp_path, change):
    their_tokenizer.write(str(tmp_path), vocabulary, 512, True)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    model = tokenizer["model"] | change.pop("model", {})
    tokenizer |= {"model": model, **change}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError, match="Expected GPT-2's"):
        their_tokenizer.read(str(tmp_path))


def test_merges_are_needed(vocabulary, tmp_path):
    write_tokenizer(vocabulary, tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match="No merges at"):
        their_tokenizer.read(str(tmp_path))


@pytest.fixture
def theirs(vocabulary, tmp_path):
    """A RoBERTa with random weights, as transformers saves it."""
    torch = pytest.importorskip(
        "torch", reason="needs torch, of requirements-peers.txt"
    )
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    torch.manual_seed(0)
    model = transformers.RobertaForMaskedLM(
        transformers.RobertaConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            type_vocab_size=1,
            initializer_range=0.3,
        )
    ).eval()
    folder = tmp_path / "theirs"
    model.save_pretrained(folder)
    write_tokenizer(vocabulary, folder)
    return model, folder


def test_the_same_ids_and_guesses(theirs, tmp_path):
    import torch

    model, folder = theirs
    ours, back = str(tmp_path / "ours"), str(tmp_path / "back")
    convert.convert(convert.ConvertOptions(source=str(folder), output_dir=ours))
    convert.convert(
        convert.ConvertOptions(
            source=ours, output_dir=back, output_format="hugging_face"
        )
    )
    loaded = model_dir.load(ours)
    tokenizer = their_library(back)
    assert tokenizer.mask_token == "<mask>"
    text_model = TextModel(loaded.model, loaded.tokenizer, top_k=3)
    texts = [text.replace("<mask>", MASK) for text in TEXTS]
    answers = text_model.fill_mask(tf.constant(texts))
    published = their_library(str(folder))
    for row, text in enumerate(TEXTS):
        without = text.replace("<mask>", "")
        expected = published(without, add_special_tokens=False)["input_ids"]
        assert tokenizer(without, add_special_tokens=False)["input_ids"] == expected
        found = loaded.tokenizer.tokenize(tf.constant([without])).to_list()[0]
        assert found == expected

        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits[0]
        probabilities = torch.softmax(logits, -1)[
            inputs["input_ids"][0] == tokenizer.mask_token_id
        ]
        best = probabilities.topk(3)
        count = len(best.values)
        assert count == text.count("<mask>")
        np.testing.assert_allclose(
            answers["probabilities"][row, :count], best.values, atol=1e-5
        )
        tokens = answers["tokens"][row, :count].numpy().flatten()
        for token, found in zip(best.indices.flatten(), tokens, strict=True):
            name = tokenizer.decode(token)
            assert found.decode() == name or "\ufffd" in name


def test_formats_without_merges_are_refused(theirs, tmp_path):
    _, folder = theirs
    for output_format in ("google", "keras_hub"):
        options = convert.ConvertOptions(
            source=str(folder),
            output_dir=str(tmp_path / output_format),
            output_format=output_format,
        )
        with pytest.raises(ValueError, match="byte-level BPE"):
            convert.convert(options)


def test_lower_case_is_refused(theirs, tmp_path):
    _, folder = theirs
    options = convert.ConvertOptions(
        source=str(folder), output_dir=str(tmp_path / "ours"), lower_case=True
    )
    with pytest.raises(ValueError, match="keeps texts unchanged"):
        convert.convert(options)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("max_length", [64, 12, 9])
def test_pairs_are_joined_as_theirs_and_as_what_we_write(
    vocabulary, tmp_path, max_length
):
    """Two separators between the texts, cut off where they do not fit."""
    pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    published, written = tmp_path / "published", tmp_path / "written"
    published.mkdir()
    written.mkdir()
    write_tokenizer(vocabulary, published)
    (published / "config.json").write_text('{"model_type": "roberta"}')
    their_tokenizer.write(str(written), vocabulary, 512, True)
    (written / "config.json").write_text('{"model_type": "roberta"}')
    pairs = [("The cat sat.", "It's on a mat, 中文"), ("a b", "c")]
    encoding = ClassificationEncoding(
        make_tokenizer(vocabulary), max_length, labels=("no", "yes")
    )
    examples = [TextExample(str(n), *pair, None) for n, pair in enumerate(pairs)]
    features, _ = encoding.encode(encoding.columns(examples))
    for folder in (published, written):
        theirs = their_library(folder)
        for (first, second), ours in zip(
            pairs, features["token_ids"].to_list(), strict=True
        ):
            expected = theirs(
                first, second, truncation="longest_first", max_length=max_length
            )["input_ids"]
            # Who gives where both are as long, they and BERT's own code see otherwise.
            if max_length == 64 or len(expected) < max_length:
                assert ours == expected
            assert len(ours) == len(expected)
            assert ours.count(vocabulary.sep_id) == 3


MODERN_TEXTS = [
    "Hello world",
    "e\u0301te\u0301 été  a\u0323\u0307b",
    "a    b      c\n        d",
    "  \t  x",
    "|||EMAIL_ADDRESS||| and <|endoftext|>.",
    "\u1112\u1161\u11ab 中文 हिन्दी Ёлка עברית ไทย",
    "",
]


@pytest.fixture
def modern_folder(tmp_path):
    """As that of ModernBERT: NFC, BERT's names, and runs of spaces as tokens."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers")
    learned = learned_vocabulary(str(tmp_path), 800)
    ids = {token: n for n, token in enumerate(learned.tokens[5:])}
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(ids, list(learned.merges)))
    theirs.normalizer = tokenizers.normalizers.NFC()
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    theirs.add_tokens([tokenizers.AddedToken(" " * n) for n in range(8, 1, -1)])
    theirs.add_tokens([tokenizers.AddedToken("|||EMAIL_ADDRESS|||")])
    theirs.add_special_tokens(["<|endoftext|>", UNK, CLS, SEP, PAD])
    theirs.add_special_tokens([tokenizers.AddedToken(MASK, lstrip=True)])
    cls, sep = (theirs.token_to_id(token) for token in (CLS, SEP))
    theirs.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(CLS, cls), (SEP, sep)],
    )
    folder = tmp_path / "modern"
    folder.mkdir()
    theirs.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 8192,
        **{f"{name.strip('[]').lower()}_token": name for name in (CLS, SEP, PAD, UNK)},
        "mask_token": MASK,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder, theirs


def test_the_tokenizer_of_modern_bert(modern_folder, tmp_path):
    folder, theirs = modern_folder
    vocabulary = their_tokenizer.read(str(folder))
    assert vocabulary.unicode_form == "NFC" and vocabulary.num_separators == 1
    tokenizer = make_tokenizer(vocabulary)
    rows = tokenizer.tokenize(tf.constant(MODERN_TEXTS)).to_list()
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(MODERN_TEXTS))
    assert ids.to_list() == rows
    spans = zip(starts.to_list(), ends.to_list(), strict=True)
    for text, row, (first, last) in zip(MODERN_TEXTS, rows, spans, strict=True):
        assert row == theirs.encode(text, add_special_tokens=False).ids, text
        content = text.encode()
        # Nothing but white space is outside of the pieces.
        covered = bytearray(content)
        for start, end in zip(first, last, strict=True):
            covered[start:end] = b" " * (end - start)
        assert not covered.decode("utf-8", "replace").strip(), text

    written = tmp_path / "written"
    written.mkdir()
    their_tokenizer.write(str(written), vocabulary, 8192, False)
    assert their_tokenizer.read(str(written)) == vocabulary
    opened = their_library(str(written))
    assert opened.mask_token == MASK
    for text, row in zip(MODERN_TEXTS, rows, strict=True):
        assert opened(text, add_special_tokens=False)["input_ids"] == row


def test_the_bpe_of_gemma_is_refused_by_name(modern_folder):
    folder, _ = modern_folder
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    values["model"]["byte_fallback"] = True
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"as in Gemma and mmBERT"):
        their_tokenizer.read(str(folder))
