"""Folders of sentence-transformers: its vectors, computed by hand with PyTorch."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import convert
from bert_tf.checkpoints import google, model_dir
from bert_tf.checkpoints.description import Description, SentenceVector
from bert_tf.checkpoints.formats import recognise
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.hugging_face import sentence_transformers
from bert_tf.convert import ConvertOptions
from bert_tf.extract_features import ExtractOptions, extract_features
from bert_tf.prediction.predictor import Predictor
from bert_tf.serving.pretrained import TextModel
from data_pipelines.datasets.examples import TextExample
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of

TEXTS = ("the cat sat", "a dog ran to the mat . the cat sat on the mat .")
ENCODER = Description("pretraining", head={"mlm_head": False})


def vector(**changes):
    values = {"pooling": "mean", "normalize": True, "max_length": 8}
    return SentenceVector(**{**values, **changes})


def checkpoint(folder, sentence_vector):
    description = Description(
        "pretraining", head={"mlm_head": False}, sentence_vector=sentence_vector
    )
    changes = {"hidden_act": "gelu", "num_hidden_layers": 1}
    return checkpoint_of(description, folder, **changes)


VECTORS = [
    vector(pooling=pooling, normalize=normalize)
    for pooling in ("mean", "cls")
    for normalize in (True, False)
]


def text_model_of(folder, asked):
    """A model, loaded, and what answers with it."""
    checkpoint(folder, asked)
    loaded = model_dir.load(str(folder))
    return loaded, TextModel(loaded.model, loaded.tokenizer, sentence_vector=asked)


def pooled(states, asked):
    found = states[0] if asked.pooling == "cls" else states.mean(axis=0)
    return found / np.linalg.norm(found) if asked.normalize else found


@pytest.mark.parametrize("asked", VECTORS, ids=str)
def test_there_and_back(tmp_path, asked):
    first = checkpoint(tmp_path / "ours", asked)
    folder = str(tmp_path / "theirs")
    hugging_face.write(first, folder)
    assert recognise(folder) == "hugging_face"
    second = hugging_face.read(folder)
    assert_same(second, first)
    assert second.description.sentence_vector == asked


def test_vectors_are_made_of_those_of_the_tokens(tmp_path, eager):
    """In the signature and in the verb."""
    loaded, text_model = text_model_of(tmp_path / "ours", VECTORS[0])
    for asked in VECTORS:
        text_model.sentence_vector = asked
        found = text_model.embed(tf.constant(TEXTS))
        assert found["truncated"].numpy().tolist() == [False, True]
        for text, row in zip(TEXTS, found["sentence"], strict=True):
            tokens = ["[CLS]", *text.split()[:6], "[SEP]"]
            ids = tf.constant([[loaded.vocabulary.id_of(token) for token in tokens]])
            inputs = {"token_ids": ids, "padding_mask": tf.ones_like(ids, tf.bool)}
            states = loaded.model.encoder(inputs)["sequence_output"][0].numpy()
            np.testing.assert_allclose(
                row, pooled(states, asked), atol=1e-5, err_msg=f"{asked} of {text!r}"
            )
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    extract_features(
        ExtractOptions(
            model_dir=str(tmp_path / "ours"),
            input_file=str(tmp_path / "texts.txt"),
            output_file=str(tmp_path / "vectors.npy"),
            vectors="sentence",
        )
    )
    text_model.sentence_vector = VECTORS[0]
    expected = text_model.embed(tf.constant(TEXTS))["sentence"]
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), expected, atol=1e-5)


def test_vectors_are_those_of_transformers(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="needs torch, of requirements-peers.txt"
    )
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    _, text_model = text_model_of(tmp_path / "ours", VECTORS[0])
    folder = str(tmp_path / "theirs")
    hugging_face.write(model_dir.read(str(tmp_path / "ours")), folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for asked in VECTORS:
        text_model.sentence_vector = asked
        found = text_model.embed(tf.constant(TEXTS))["sentence"]
        for text, row in zip(TEXTS, found, strict=True):
            inputs = tokenizer(
                text, truncation=True, max_length=asked.max_length, return_tensors="pt"
            )
            with torch.no_grad():
                states = model(**inputs).last_hidden_state[0].numpy()
            np.testing.assert_allclose(
                row, pooled(states, asked), atol=1e-5, err_msg=f"{asked} of {text!r}"
            )


def test_the_model_in_a_folder_of_its_own(tmp_path):
    first = checkpoint(tmp_path / "ours", vector())
    folder = tmp_path / "theirs"
    hugging_face.write(first, str(folder / "0_Transformer"))
    inner = folder / "0_Transformer"
    modules = json.loads((inner / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (inner / "modules.json").unlink()
    (folder / "modules.json").write_text(json.dumps(modules))
    (inner / "1_Pooling").rename(folder / "1_Pooling")
    assert_same(hugging_face.read(str(folder)), first)


@pytest.mark.parametrize(
    ("lower_case", "expected"), [(True, (True, True)), (False, (True, False))]
)
def test_texts_that_are_lowered_before_the_tokenizer(tmp_path, lower_case, expected):
    first = checkpoint(tmp_path / "ours", vector())
    vocabulary = first.vocabulary.with_casing(lower_case)
    first = dataclasses.replace(first, vocabulary=vocabulary)
    folder = tmp_path / "theirs"
    hugging_face.write(first, str(folder))
    file = folder / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_lower_case": True}))
    found = hugging_face.read(str(folder)).vocabulary
    assert (found.lower_case, found.strip_accents) == expected


@pytest.mark.parametrize(
    ("module", "pooling", "message"),
    [
        ("Dense", {}, "consists of .*Dense"),
        ("Normalize", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ("Normalize", {"pooling_mode_mean_tokens": False}, r"pools by \[\]"),
    ],
)
def test_steps_that_are_not_known(tmp_path, module, pooling, message):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = f"sentence_transformers.models.{module}"
    (folder / "modules.json").write_text(json.dumps(modules))
    file = folder / "1_Pooling" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **pooling}))
    with pytest.raises(ValueError, match=message):
        sentence_transformers.read(str(folder))


# Of version 6; before, all are `sentence_transformers.models.`.
MODULES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
PROMPTS = {"query": "the cat ", "document": ""}


def changed(path, **values):
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **values}))


def of_today(folder, **config):
    """A folder as version 6 writes it."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = MODULES[module["type"].rpartition(".")[2]]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 16, "pooling_mode": "cls"})
    )
    (folder / "sentence_bert_config.json").write_text(
        json.dumps(
            {
                "transformer_task": "feature-extraction",
                "modality_config": {"text": {"method": "forward"}},
                "module_output_name": "token_embeddings",
            }
        )
    )
    config = {"model_type": "SentenceTransformer", **config}
    changed(folder / "config_sentence_transformers.json", **config)
    changed(folder / "tokenizer_config.json", model_max_length=9)


def test_a_folder_of_today(tmp_path):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    of_today(
        folder,
        prompts=PROMPTS,
        default_prompt_name="query",
        similarity_fn_name="dot",
    )
    found = hugging_face.read(str(folder)).description.sentence_vector
    expected = SentenceVector("cls", True, 9, PROMPTS, "query", "dot")
    assert found == expected
    # And given back, and in a model folder.
    first = checkpoint(tmp_path / "ours", expected)
    assert first.description.sentence_vector == expected
    hugging_face.write(first, str(tmp_path / "again"))
    assert hugging_face.read(str(tmp_path / "again")).description == first.description


@pytest.mark.parametrize(
    ("config", "prompts", "default", "similarity"),
    [
        ({}, {}, None, "cosine"),
        ({"prompts": {}, "similarity_fn_name": None}, {}, None, "cosine"),
        # Version 6 always has these.
        ({"prompts": {"query": "", "document": ""}}, {}, None, "cosine"),
        ({"prompts": PROMPTS}, PROMPTS, None, "cosine"),
        (
            {"prompts": PROMPTS, "default_prompt_name": "document"},
            PROMPTS,
            None,
            "cosine",
        ),
        ({"similarity_fn_name": "euclidean"}, {}, None, "euclidean"),
        ({"similarity_fn_name": "manhattan"}, {}, None, "manhattan"),
    ],
)
def test_prompts_and_similarity(tmp_path, config, prompts, default, similarity):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    of_today(folder, **config)
    found = sentence_transformers.read(str(folder)).vector
    assert (found.prompts, found.default_prompt) == (prompts, default)
    assert found.similarity == similarity


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (
            "config_sentence_transformers.json",
            {"default_prompt_name": "query"},
            r"default_prompt_name='query'\. Expected one of its prompts \[\]",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": ["a"]},
            "each name to a text",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": {"a": 5}},
            "each name to a text",
        ),
        (
            "config_sentence_transformers.json",
            {"similarity_fn_name": "hamming"},
            "similarity_fn_name='hamming'",
        ),
        (
            "config_sentence_transformers.json",
            {"model_type": "CrossEncoder"},
            r"consists of \['Transformer', 'Pooling', 'Normalize'\]",
        ),
        (
            "sentence_bert_config.json",
            {"transformer_task": "fill-mask"},
            "transformer_task='fill-mask'",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "lasttoken"},
            "pools by .'lasttoken",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode": ["mean", "max"]},
            r"pools by \['max', 'mean'\]",
        ),
    ],
)
def test_what_is_not_known_today(tmp_path, file, values, message):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    of_today(folder)
    changed(folder / file, **values)
    with pytest.raises(ValueError, match=message):
        hugging_face.read(str(folder))


def test_code_that_is_not_the_library_s(tmp_path):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "modeling_mine.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"consists of \['modeling_mine\.Transformer'"):
        hugging_face.read(str(folder))


def test_prompts_that_are_left_out_of_the_mean(tmp_path):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    of_today(folder, prompts=PROMPTS)
    changed(folder / "1_Pooling" / "config.json", include_prompt=False)
    with pytest.raises(ValueError, match="include_prompt=false"):
        hugging_face.read(str(folder))


def extracted(folder, target, **options):
    extract_features(
        ExtractOptions(
            model_dir=str(folder),
            input_file=str(target.parent / "texts.txt"),
            output_file=str(target),
            vectors=options.pop("vectors", "sentence"),
            **options,
        )
    )
    return np.load(target)


@pytest.mark.parametrize("default", [None, "query"])
def test_prompts_come_before_texts(tmp_path, default, eager):
    asked = vector(prompts=PROMPTS, default_prompt=default, max_length=16)
    _, text_model = text_model_of(tmp_path / "ours", asked)
    _, plain = text_model_of(tmp_path / "plain", vector(max_length=16))
    texts = ["sat .", "a dog"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    prompted = [PROMPTS["query"] + text for text in texts]
    found = {
        prompt: plain.embed(tf.constant(given))["sentence"].numpy()
        for prompt, given in (("query", prompted), ("document", texts), (None, texts))
    }
    np.testing.assert_allclose(
        text_model.embed(tf.constant(texts))["sentence"], found[default], atol=1e-6
    )
    similarity = text_model.similarity(*(tf.constant([text]) for text in texts))
    expected = np.sum(found[default][0] * found[default][1])
    np.testing.assert_allclose(similarity["similarity"], [expected], atol=1e-6)
    for name, expected in ((None, default), ("query", "query"), ("document", None)):
        vectors = extracted(
            tmp_path / "ours", tmp_path / f"{name}.npy", prompt_name=name
        )
        np.testing.assert_allclose(vectors, found[expected], atol=1e-5)
    with pytest.raises(
        ValueError, match=r"prompt_name='x'\. Expected one of the model"
    ):
        extracted(tmp_path / "ours", tmp_path / "x.npy", prompt_name="x")
    with pytest.raises(ValueError, match="Expected it only with vectors=sentence"):
        extracted(
            tmp_path / "ours", tmp_path / "x.npy", prompt_name="query", vectors="mean"
        )


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("cosine", lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
        ("dot", lambda a, b: a @ b),
        ("euclidean", lambda a, b: -np.sqrt(((a - b) ** 2).sum())),
        ("manhattan", lambda a, b: -np.abs(a - b).sum()),
    ],
)
def test_similarities(tmp_path, name, function, eager):
    asked = vector(normalize=False, similarity=name)
    _, text_model = text_model_of(tmp_path / "ours", asked)
    first, second = text_model.embed(tf.constant(TEXTS))["sentence"].numpy()
    found = text_model.similarity(tf.constant(TEXTS[:1]), tf.constant(TEXTS[1:]))
    np.testing.assert_allclose(
        found["similarity"], [function(first, second)], rtol=1e-5
    )


def cross_encoder(tmp_path, num_outputs=1):
    """A folder of transformers that a CrossEncoder is made of."""
    labels = tuple("abc"[:num_outputs])
    encoding = {"max_length": 24, "stride": None}
    kind = "regression" if num_outputs == 1 else "classification"
    if num_outputs > 1:
        encoding["labels"] = labels
    description = Description(
        kind, head={"num_outputs": num_outputs}, encoding=encoding
    )
    folder = tmp_path / "theirs"
    found = checkpoint_of(description, tmp_path / "ours", hidden_act="gelu")
    hugging_face.write(found, str(folder))
    return folder


def of_version_6(folder, activation, **config):
    (folder / "modules.json").write_text(
        json.dumps(
            [{"idx": 0, "name": "0", "path": "", "type": MODULES["Transformer"]}]
        )
    )
    changed(
        folder / "sentence_bert_config.json", transformer_task="sequence-classification"
    )
    changed(
        folder / "config_sentence_transformers.json",
        model_type="CrossEncoder",
        activation_fn=activation,
        **config,
    )


def of_version_4(folder, activation):
    settings = {"activation_fn": activation, "version": "5.1.0"}
    changed(folder / "config.json", sentence_transformers=settings)


def of_version_2(folder, activation):
    changed(folder / "config.json", sbert_ce_default_activation_function=activation)


SIGMOID = "torch.nn.modules.activation.Sigmoid"
IDENTITY = "torch.nn.modules.linear.Identity"
TANH = "torch.nn.modules.activation.Tanh"


@pytest.mark.parametrize("saved", [of_version_6, of_version_4, of_version_2])
@pytest.mark.parametrize(
    ("activation", "num_outputs", "expected"),
    [
        (
            SIGMOID,
            1,
            ("regression", {"num_outputs": 1, "output_activation": "sigmoid"}),
        ),
        (IDENTITY, 1, ("regression", {"num_outputs": 1})),
        (IDENTITY, 3, ("classification", {"num_outputs": 3})),
        (TANH, 1, "applies torch.nn.modules.activation.Tanh"),
        (SIGMOID, 3, "applies torch.nn.modules.activation.Sigmoid to its 3 outputs"),
    ],
)
def test_cross_encoders(tmp_path, saved, activation, num_outputs, expected):
    folder = cross_encoder(tmp_path, num_outputs)
    saved(folder, activation)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            hugging_face.read(str(folder))
        return
    found = hugging_face.read(str(folder))
    assert (found.description.kind, found.description.head) == expected
    assert found.description.pairs
    if "output_activation" in found.description.head:
        with pytest.raises(ValueError, match="'output_activation': 'sigmoid'"):
            hugging_face.write(found, str(tmp_path / "back"))


@pytest.mark.parametrize("num_outputs", [1, 3])
def test_activations_that_are_not_said(tmp_path, num_outputs):
    folder = cross_encoder(tmp_path, num_outputs)
    of_version_6(folder, None)
    found = hugging_face.read(str(folder)).description.head
    assert found.get("output_activation") == ("sigmoid" if num_outputs == 1 else None)


def test_a_prompt_of_a_cross_encoder_is_refused(tmp_path):
    folder = cross_encoder(tmp_path)
    of_version_6(folder, SIGMOID, prompts=PROMPTS, default_prompt_name="query")
    with pytest.raises(ValueError, match="prepends 'the cat ' to its texts"):
        hugging_face.read(str(folder))


def library():
    pytest.importorskip("torch", reason="needs torch, of requirements-peers.txt")
    return pytest.importorskip(
        "sentence_transformers",
        reason="needs sentence_transformers, of requirements-peers.txt",
    )


def converted(folder, target):
    convert.convert(ConvertOptions(source=str(folder), output_dir=str(target)))
    return model_dir.load(str(target))


@pytest.mark.parametrize(
    ("pooling", "normalize", "prompts", "default"),
    [
        ("mean", True, {}, None),
        ("cls", False, {}, None),
        ("mean", False, PROMPTS, "query"),
        ("mean", True, PROMPTS, None),
    ],
)
def test_vectors_of_the_library(tmp_path, pooling, normalize, prompts, default):
    st = library()
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    hugging_face.write(
        checkpoint_of(ENCODER, tmp_path / "ours", hidden_act="gelu"),
        str(tmp_path / "encoder"),
    )
    modules = [
        Transformer(str(tmp_path / "encoder"), max_seq_length=8),
        Pooling(16, pooling_mode=pooling),
    ]
    if normalize:
        modules.append(Normalize())
    theirs = st.SentenceTransformer(
        modules=modules,
        prompts=prompts,
        default_prompt_name=default,
        similarity_fn_name="dot",
        device="cpu",
    )
    theirs.save(str(tmp_path / "theirs"))
    loaded = converted(tmp_path / "theirs", tmp_path / "converted")
    asked = loaded.description.sentence_vector
    assert (asked.max_length, asked.similarity) == (8, "dot")
    text_model = TextModel(loaded.model, loaded.tokenizer, sentence_vector=asked)
    found = text_model.embed(tf.constant(TEXTS))["sentence"]
    expected = theirs.encode(list(TEXTS))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    similarity = text_model.similarity(tf.constant(TEXTS[:1]), tf.constant(TEXTS[1:]))
    np.testing.assert_allclose(
        similarity["similarity"], theirs.similarity(*expected)[0], atol=1e-4
    )
    # What we write is read there, too.
    hugging_face.write(
        model_dir.read(str(tmp_path / "converted")), str(tmp_path / "back")
    )
    again = st.SentenceTransformer(str(tmp_path / "back"), device="cpu")
    np.testing.assert_allclose(again.encode(list(TEXTS)), expected, atol=1e-5)
    assert again.max_seq_length == 8


@pytest.mark.parametrize(
    ("num_outputs", "activation"), [(1, None), (1, "Identity"), (3, None)]
)
# Where both texts of a pair are as long, it is the other that loses a piece there.
@pytest.mark.parametrize("max_length", [None, 9])
def test_scores_of_the_library(tmp_path, num_outputs, activation, max_length):
    st = library()
    import torch

    given = {} if activation is None else {"activation_fn": torch.nn.Identity()}
    if max_length is not None:
        given["max_length"] = max_length
    source = str(cross_encoder(tmp_path, num_outputs))
    theirs = st.CrossEncoder(source, device="cpu", **given)
    theirs.save_pretrained(str(tmp_path / "saved"))
    loaded = converted(tmp_path / "saved", tmp_path / "converted")
    pairs = [TEXTS, TEXTS[::-1], ("a dog", "the mat")]
    expected = theirs.predict(pairs)
    examples = [TextExample(str(n), *pair, None) for n, pair in enumerate(pairs)]
    answers = [answer for _, answer in Predictor.of(loaded, 4).answers(examples)]
    if num_outputs == 1:
        found = [answer.score for answer in answers]
    else:
        found = [answer.probabilities for answer in answers]
        expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_formats_without_a_place_for_it(tmp_path):
    asked = Description(
        "pretraining", head={"mlm_head": False}, sentence_vector=vector()
    )
    found = checkpoint_of(asked, tmp_path / "ours")
    with pytest.raises(ValueError, match="with --encoder_only"):
        google.write(found, str(tmp_path / "google"))


def test_a_model_that_gives_none(tmp_path):
    checkpoint_of(ENCODER, tmp_path / "ours")
    with pytest.raises(ValueError, match="was not trained to give sentence vectors"):
        extract_features(
            ExtractOptions(
                model_dir=str(tmp_path / "ours"),
                output_file=str(tmp_path / "x.npy"),
                vectors="sentence",
            )
        )
