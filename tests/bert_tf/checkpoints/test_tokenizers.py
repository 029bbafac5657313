"""Texts become the ids that the peers give, after conversion in both directions."""

import functools
import itertools
import unicodedata

import keras_hub
import pytest
import tensorflow as tf

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.model_dir import Checkpoint, Description, weight_shapes
from bert_tf.checkpoints.tensors import Tensors
from data_pipelines.corpus import documents
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.bert_tf.small_models import small_config
from tests.shared import SHARED, needs_shared

# Lower case, accents taken away.
CASINGS = [
    (True, None),
    pytest.param(False, None, marks=pytest.mark.slow),
    (True, False),
    pytest.param(False, True, marks=pytest.mark.slow),
]
TEXTS = [
    "The cat sat, on the mat!",
    "Über Straße naïve CAFÉ Ångström É e\u0301 İstanbul",
    "Άλφα ΟΔΟΙ Йод 中文 かな が 한국어",
    "a\u00a0b\u200bc\u00add\tx\r\ny $5^2 ~`<>|",
    "",
]


@functools.cache
def real_texts():
    """The beginnings of English and Chinese articles."""
    found = []
    for folder in ("enwiki", "chinese/zhwiki"):
        source, *_ = documents.expand_sources([str(SHARED / folder / "*")])
        articles = itertools.islice(documents.read_documents(source), 300)
        found += [article[:500] for article in articles]
    return tuple(found)


def encoder(lower_case, strip_accents, vocabulary):
    """A model whose weights are of no account here."""
    config = small_config(
        vocab_size=len(vocabulary),
        hidden_size=4,
        num_hidden_layers=1,
        hidden_act="gelu_tanh",
    )
    description = Description(
        model_dir.PRETRAINING,
        head={"mlm_head": False},
    )
    weights = Tensors(
        weight_shapes(config, description), lambda name: tf.zeros(shapes[name]).numpy()
    )
    shapes = weights.shapes
    vocabulary = vocabulary.with_casing(lower_case, strip_accents)
    return Checkpoint(config, vocabulary, description, weights)


def our_ids(checkpoint, texts):
    tokenizer = make_tokenizer(checkpoint.vocabulary)
    return tokenizer.tokenize(tf.constant(texts)).to_list()


@needs_shared
@pytest.mark.parametrize("name", ["uncased", "chinese"])
@pytest.mark.parametrize(("lower_case", "strip_accents"), CASINGS)
def test_hugging_face(tmp_path, name, lower_case, strip_accents):
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    vocabulary = Vocabulary.from_file(str(SHARED / "vocab" / f"{name}.txt"))
    first = encoder(lower_case, strip_accents, vocabulary)
    theirs = str(tmp_path / "theirs")
    formats.write(first, theirs, "hugging_face")
    tokenizer = transformers.AutoTokenizer.from_pretrained(theirs)
    texts = [*TEXTS, *real_texts()]
    # Of Google's rules they lack two: special tokens that are written out are special
    # to them, and a sigma at the end of a word is as any other.
    expected = tokenizer(texts, add_special_tokens=False)["input_ids"]
    differing = [
        (text, tokenizer.convert_ids_to_tokens(ids), found)
        for text, ids, found in zip(texts, expected, our_ids(first, texts), strict=True)
        if ids != found
    ]
    assert not differing

    tokenizer.save_pretrained(theirs)
    _, second = formats.read(theirs)
    assert second.description == first.description
    assert second.vocabulary == first.vocabulary


def folds_as_it_lowers(text):
    """Whether KerasHub, which folds case and compatible characters, does as Google."""
    return unicodedata.normalize("NFKC", text.casefold()) == text.lower()


@needs_shared
@pytest.mark.parametrize("name", ["uncased", "chinese"])
@pytest.mark.parametrize(("lower_case", "strip_accents"), CASINGS)
def test_keras_hub(tmp_path, name, lower_case, strip_accents):
    vocabulary = Vocabulary.from_file(str(SHARED / "vocab" / f"{name}.txt"))
    first = encoder(lower_case, strip_accents, vocabulary)
    theirs = str(tmp_path / "theirs")
    formats.write(first, theirs, "keras_hub")
    tokenizer = keras_hub.models.BertTokenizer.from_preset(theirs)
    texts = real_texts()
    if lower_case:
        texts = [text for text in texts if folds_as_it_lowers(text)]
    assert len(texts) > 200
    expected = [list(map(int, ids)) for ids in tokenizer(texts)]
    assert our_ids(first, texts) == expected

    _, second = formats.read(theirs)
    assert second.description == first.description
    assert second.vocabulary == first.vocabulary


@pytest.mark.parametrize(
    ("pieces", "lower_case", "strip_accents", "expected"),
    [
        (("a",), True, False, True),
        (("a", "ä"), True, False, False),
        (("a",), True, True, True),
        (("a",), False, False, False),
        (("a",), False, True, True),
    ],
)
def test_accents_in_presets_of_keras_hub(
    tmp_path, pieces, lower_case, strip_accents, expected
):
    """Those of Google's models do not take accents away, as Google did."""
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *pieces))
    folder = str(tmp_path / "preset")
    formats.write(encoder(lower_case, None, vocabulary), folder, "keras_hub")
    keras_hub.models.BertTokenizer(
        list(vocabulary.tokens), lowercase=lower_case, strip_accents=strip_accents
    ).save_to_preset(folder)
    _, found = formats.read(folder)
    assert found.vocabulary.lower_case == lower_case
    assert found.vocabulary.strip_accents == expected
