"""Models that transformers made, here and there: the same numbers."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.hugging_face.model_types.table import type_of
from bert_tf.checkpoints.model_dir import Description, weight_shapes
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import to_ours
from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.families import FAMILIES
from bert_tf.models.masked_lm import PretrainingObjective
from tests.bert_tf.checkpoints.models import (
    arrays,
    assert_same,
    checkpoint_of,
    our_model,
)
from tests.bert_tf.packed import ROW_LENGTH, packed, random_features
from tests.bert_tf.small_models import VOCABULARY, random_batch

torch = pytest.importorskip("torch", reason="needs torch, of requirements-peers.txt")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers, of requirements-peers.txt"
)

SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
}
LABELS = {"id2label": {0: "no", 1: "yes", 2: "maybe"}}
ROBERTA = {"pad_token_id": VOCABULARY.pad_id, "type_vocab_size": 2}
ALBERT = {"embedding_size": 8, "hidden_act": "gelu_new"}
DISTILBERT = {
    "dim": 16,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 40,
    # Names that the other classes have.
    **dict.fromkeys(
        (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
        )
    ),
}
ELECTRA = {"embedding_size": 8}
DEBERTA = {
    "relative_attention": True,
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
}
# As version 2 and version 3 are published, and without buckets.
DEBERTA_V2 = {**DEBERTA, "conv_kernel_size": 3, "conv_act": "gelu"}
DEBERTA_PLAIN = {**DEBERTA, "position_buckets": -1, "pos_att_type": "c2p|p2c"}
# Its code fixes the id of the padding, and its tokenizer the names.
MPNET: dict = {}
MODERNBERT = {
    "num_hidden_layers": 4,
    "local_attention": 6,
    "pad_token_id": VOCABULARY.pad_id,
    **dict.fromkeys(("bos_token_id", "cls_token_id"), VOCABULARY.cls_id),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), VOCABULARY.sep_id),
}
MODERNBERT_OTHER = {
    **MODERNBERT,
    "global_attn_every_n_layers": 2,
    **dict.fromkeys(
        ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), True
    ),
    "classifier_pooling": "mean",
}
HEADS = (
    ("ForSequenceClassification", LABELS),
    ("ForSequenceClassification", {"num_labels": 1}),
    ("ForTokenClassification", LABELS),
    ("ForQuestionAnswering", {}),
    ("ForMultipleChoice", {}),
)
CASES = [
    ("BertModel", {}),
    ("BertModel", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
    ("BertModel", {"hidden_act": "relu"}),
    ("BertForPreTraining", {}),
    ("BertForMaskedLM", {}),
    ("BertForMaskedLM", {"tie_word_embeddings": False}),
    ("BertForNextSentencePrediction", {}),
    ("BertForSequenceClassification", LABELS),
    ("BertForSequenceClassification", {"num_labels": 1}),
    ("BertForTokenClassification", LABELS),
    ("BertForQuestionAnswering", {}),
    ("BertForMultipleChoice", {}),
    ("RobertaModel", ROBERTA),
    ("RobertaForMaskedLM", ROBERTA),
    ("RobertaForSequenceClassification", {**ROBERTA, **LABELS}),
    ("RobertaForTokenClassification", {**ROBERTA, **LABELS}),
    ("RobertaForQuestionAnswering", ROBERTA),
    ("RobertaForMultipleChoice", ROBERTA),
    ("AlbertModel", ALBERT),
    ("AlbertForMaskedLM", ALBERT),
    ("AlbertForPreTraining", ALBERT),
    ("AlbertForSequenceClassification", {**ALBERT, **LABELS}),
    ("AlbertForTokenClassification", {**ALBERT, **LABELS}),
    ("AlbertForQuestionAnswering", ALBERT),
    ("AlbertForMultipleChoice", ALBERT),
    ("XLMRobertaForMaskedLM", ROBERTA),
    ("CamembertForTokenClassification", {**ROBERTA, **LABELS}),
    ("ElectraForMaskedLM", {"embedding_size": 16}),
    ("DebertaV2Model", DEBERTA_V2),
    ("DebertaV2ForMaskedLM", DEBERTA_PLAIN),
    ("DebertaV2ForMaskedLM", {**DEBERTA, "type_vocab_size": 2}),
    ("ModernBertForMaskedLM", MODERNBERT_OTHER),
    ("ModernBertForSequenceClassification", {**MODERNBERT_OTHER, **LABELS}),
    ("ModernBertForMultipleChoice", MODERNBERT_OTHER),
    *(
        (f"{name}{head}", {**changes, **more})
        for name, changes in (
            ("DistilBert", DISTILBERT),
            ("Electra", ELECTRA),
            ("DebertaV2", DEBERTA),
            ("MPNet", MPNET),
            ("ModernBert", MODERNBERT),
        )
        for head, more in (("Model", {}), ("ForMaskedLM", {}), *HEADS)
    ),
]


def their_model(name, changes):
    """A model with random weights, none of them nearly zero or one."""
    torch.manual_seed(0)
    model_class = getattr(transformers, name)
    values = {k: v for k, v in {**SIZES, **changes}.items() if v is not None}
    model = model_class(model_class.config_class(**values)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    return model


def save(model, folder):
    model.save_pretrained(folder)
    content = VOCABULARY.to_bytes()
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    if model.config.model_type == "mpnet":
        settings["tokenizer_class"] = "MPNetTokenizer"
        # The special tokens of the published ones, with the padding second.
        first = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
        lines = [*first, *VOCABULARY.tokens[5:]]
        content = "".join(f"{line}\n" for line in lines).encode()
    (folder / "vocab.txt").write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


FEATURES = random_features(count=6, seed=3)
BATCH = packed(FEATURES)
LENGTHS = FEATURES["token_ids"].row_lengths().numpy()


def their_inputs(model):
    """One sequence a row, padded at the end."""
    token_ids = FEATURES["token_ids"].to_tensor(shape=[None, ROW_LENGTH]).numpy()
    places = np.arange(ROW_LENGTH)[None, :]
    mask = places < LENGTHS[:, None]
    second = mask & (places >= FEATURES["second_starts"].numpy()[:, None])
    inputs = {
        "input_ids": token_ids,
        "attention_mask": mask.astype("int64"),
        "token_type_ids": second.astype("int64"),
    }
    if model.config.model_type in ("distilbert", "mpnet", "modernbert"):
        del inputs["token_type_ids"]
    tensors = {name: torch.tensor(value).long() for name, value in inputs.items()}
    if "MultipleChoice" in type(model).__name__:
        tensors = {k: v.reshape(-1, 2, ROW_LENGTH) for k, v in tensors.items()}
    return tensors


def their_outputs(model):
    with torch.no_grad():
        outputs = model(**their_inputs(model), output_hidden_states=True)
    return {
        name: value.numpy()
        for name, value in outputs.items()
        if isinstance(value, torch.Tensor)
    } | {"hidden_states": [state.numpy() for state in outputs.hidden_states]}


def of_sequences(values):
    """Vectors of packed rows as rows of their own."""
    flat = np.asarray(values).reshape(-1, values.shape[-1])
    return [
        flat[first : first + length]
        for first, length in zip(BATCH["first_tokens"].numpy(), LENGTHS, strict=True)
    ]


def assert_near(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=min(1e-4, 1e-5 * max(10.0, np.abs(theirs).max()))
    )


def assert_same_vectors(ours, theirs):
    for one, other, length in zip(of_sequences(ours), theirs, LENGTHS, strict=True):
        assert_near(one, other[:length])


@pytest.mark.parametrize(
    ("name", "changes"), CASES, ids=[f"{n}-{'-'.join(c)}" for n, c in CASES]
)
def test_the_same_numbers(tmp_path, name, changes):
    theirs = their_model(name, changes)
    checkpoint = hugging_face.read(save(theirs, tmp_path / "theirs"))
    expected = their_outputs(theirs)
    ours = our_model(checkpoint, tmp_path / "ours")

    encoded = ours.encoder(BATCH, return_hidden_states=True)
    for one, other in zip(
        encoded["hidden_states"], expected["hidden_states"], strict=True
    ):
        if one.shape[-1] == other.shape[-1]:  # ALBERT gives embeddings unprojected
            assert_same_vectors(one, other)
    if "pooler_output" in expected:
        assert_near(encoded["pooled_output"], expected["pooler_output"])
    kind = checkpoint.description.kind
    if kind == "pretraining":
        _check_pretraining(ours, expected)
    elif kind == "token_tagging":
        vectors = ours.scores(encoded["sequence_output"], training=False)
        assert_same_vectors(vectors, expected["logits"])
    elif kind == "span_qa":
        found = ours(BATCH)
        for row, length in enumerate(LENGTHS):
            for ours_name, name in (("start", "start_logits"), ("end", "end_logits")):
                assert_near(
                    found[ours_name][row, :length], expected[name][row, :length]
                )
    else:
        assert_near(ours(BATCH), expected["logits"])


def _check_pretraining(ours, expected):
    rows, length = BATCH["token_ids"].shape
    everywhere = tf.broadcast_to(tf.range(length)[None, :], (rows, length))
    found = ours({**BATCH, "mlm_positions": everywhere})
    mlm = expected.get("prediction_logits", expected.get("logits"))
    if "mlm" in found:
        assert_same_vectors(found["mlm"], mlm)
        mlm = None
    if "sentence" in found:
        sentence = expected.get("seq_relationship_logits", mlm)
        assert_near(found["sentence"], expected.get("sop_logits", sentence))


@pytest.mark.parametrize(
    ("name", "changes"), CASES, ids=[f"{n}-{'-'.join(c)}" for n, c in CASES]
)
def test_there_and_back(tmp_path, name, changes):
    """Ours, theirs, ours: every bit. And transformers opens what was written."""
    theirs = their_model(name, changes)
    first = hugging_face.read(save(theirs, tmp_path / "theirs"))
    hugging_face.write(first, str(tmp_path / "written"))
    second = hugging_face.read(str(tmp_path / "written"))
    assert_same(second, first)
    assert second.description == first.description

    opened, report = type(theirs).from_pretrained(
        tmp_path / "written", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["mismatched_keys"]
    assert not report["unexpected_keys"]
    weights = opened.state_dict()
    # Where the tables are not tied, decoder.bias is added and this one never is.
    unused = () if theirs.config.tie_word_embeddings else ("cls.predictions.bias",)
    for weight, value in theirs.state_dict().items():
        if weight not in unused:
            np.testing.assert_array_equal(weights[weight], value, err_msg=weight)
    # Not every bit: a product may differ in the last one with the place in memory.
    again = their_outputs(opened.eval())
    for output, value in their_outputs(theirs).items():
        for one, other in zip(again[output], value, strict=True):
            assert_near(one, other)


def test_a_model_of_the_family_compact(tmp_path):
    """It is a ModernBERT there; what compares texts is no part of it."""
    changes = {**FAMILIES["compact"].config, "local_attention": 4}
    checkpoint = checkpoint_of(Description("pretraining"), tmp_path / "ours", **changes)
    model = our_model(checkpoint, tmp_path / "read")
    hugging_face.write(checkpoint, str(tmp_path / "theirs"))
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "theirs")
    assert type(theirs).__name__ == "ModernBertForMaskedLM"
    _check_pretraining(model, their_outputs(theirs.eval()))

    head = {"num_outputs": 2, "compares_texts": True}
    description = Description("classification", head=head)
    fine_tuned = checkpoint_of(description, tmp_path / "fine_tuned", **changes)
    with pytest.raises(ValueError, match="compares_texts"):
        hugging_face.write(fine_tuned, str(tmp_path / "refused"))


def test_a_model_of_base_size(tmp_path):
    """As users have it: 512 positions, 30,522 pieces, the original's first weights."""
    torch.manual_seed(0)
    theirs = transformers.BertForPreTraining(transformers.BertConfig()).eval()
    checkpoint = hugging_face.read(save(theirs, tmp_path / "theirs"))
    ours = our_model(checkpoint, tmp_path / "ours")
    expected = their_outputs(theirs)
    encoded = ours.encoder(BATCH, return_hidden_states=True)
    for one, other in zip(
        encoded["hidden_states"], expected["hidden_states"], strict=True
    ):
        assert_same_vectors(one, other)
    _check_pretraining(ours, expected)


GRADIENTS = [
    (f"{name}{head}", {**changes, **more})
    for name, changes in (
        ("Bert", {}),
        ("Roberta", ROBERTA),
        ("Albert", ALBERT),
        ("DistilBert", DISTILBERT),
        ("Electra", ELECTRA),
        ("DebertaV2", DEBERTA_V2),
        ("MPNet", MPNET),
        ("ModernBert", MODERNBERT),
    )
    for head, more in (("ForMaskedLM", {}), ("ForSequenceClassification", LABELS))
]


@pytest.mark.parametrize(("name", "changes"), GRADIENTS, ids=[n for n, _ in GRADIENTS])
def test_gradients(tmp_path, name, changes):
    """Of a sum of all outputs with random weights."""
    theirs = their_model(name, changes)
    checkpoint = hugging_face.read(save(theirs, tmp_path / "theirs"))
    ours = our_model(checkpoint, tmp_path / "ours")
    inputs = their_inputs(theirs)
    logits = theirs(**inputs).logits
    weights = np.random.default_rng(2).normal(size=logits.shape).astype("float32")
    if checkpoint.description.kind == "pretraining":
        weights *= inputs["attention_mask"].numpy()[:, :, None]
    (logits * torch.tensor(weights)).sum().backward()

    rows, length = BATCH["token_ids"].shape
    everywhere = tf.broadcast_to(tf.range(length)[None, :], (rows, length))
    with tf.GradientTape() as tape:
        if checkpoint.description.kind == "pretraining":
            found = ours({**BATCH, "mlm_positions": everywhere})["mlm"]
            found = gather_tokens(found, sequence_layout(BATCH, ROW_LENGTH)[0])
        else:
            found = ours(BATCH)
        loss = tf.reduce_sum(found * weights)
    variables = ours.trainable_variables
    gradients = tape.gradient(
        loss, [variable.value for variable in variables], unconnected_gradients="zero"
    )
    # The same tables turn gradients around as they do weights.
    named = {
        name: np.zeros(p.shape, "float32") if p.grad is None else p.grad.numpy()
        for name, p in theirs.named_parameters()
    }
    model_type = type_of(theirs.config.to_dict())
    expected = to_ours(
        model_type.table(checkpoint.description.kind),
        weight_shapes(checkpoint.config, checkpoint.description),
        checkpoint.config,
        Tensors.of(named),
        "a test",
    )
    for variable, gradient in zip(variables, gradients, strict=True):
        right = expected.read(variable.path.removeprefix("bert/"))
        found = tf.convert_to_tensor(gradient).numpy()
        largest = max(np.abs(right).max(), 1e-3)
        np.testing.assert_allclose(
            found, right, rtol=0, atol=1e-5 * largest, err_msg=variable.path
        )


def test_gradients_of_the_pretraining_loss(tmp_path):
    theirs = their_model("BertForPreTraining", {})
    checkpoint = hugging_face.read(save(theirs, tmp_path / "theirs"))
    ours = our_model(checkpoint, tmp_path / "ours")
    batch = random_batch(seed=5)
    with tf.GradientTape() as tape:
        sums = PretrainingObjective().sums(ours(batch), batch)
        loss = sums["mlm_loss"] + sums["sentence_loss"]
    variables = ours.trainable_variables
    found = tape.gradient(loss, [variable.value for variable in variables])

    inputs = {name: torch.tensor(np.asarray(value)) for name, value in batch.items()}
    outputs = theirs(
        input_ids=inputs["token_ids"],
        attention_mask=inputs["padding_mask"].long(),
        token_type_ids=inputs["segment_ids"],
    )
    rows = torch.arange(len(inputs["token_ids"]))[:, None]
    logits = outputs.prediction_logits[rows, inputs["mlm_positions"].long()]
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), inputs["mlm_ids"].long().flatten(), reduction="none"
    )
    sentence = torch.nn.functional.cross_entropy(
        outputs.seq_relationship_logits,
        inputs["sentence_label"].long(),
        reduction="none",
    )
    total = (losses * inputs["mlm_weights"].flatten()).sum()
    total = total + (sentence * inputs["row_weight"]).sum()
    total.backward()
    assert float(loss) == pytest.approx(float(total.detach()), rel=1e-5)

    # The same tables turn gradients around as they do weights.
    named = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    config, description = checkpoint.config, checkpoint.description
    table = type_of({"model_type": "bert"}).table("pretraining")
    shapes = weight_shapes(config, description)
    expected = to_ours(table, shapes, config, Tensors.of(named), "a test")
    for variable, gradient in zip(variables, found, strict=True):
        name = variable.path.removeprefix("bert/")
        assert_near(tf.convert_to_tensor(gradient), expected.read(name))


@pytest.fixture
def folder(tmp_path):
    model = their_model("BertForPreTraining", {})
    return pathlib.Path(save(model, tmp_path / "theirs"))


def test_shards(folder, tmp_path):
    whole = hugging_face.read(str(folder))
    shutil.copytree(folder, tmp_path / "shards")
    (tmp_path / "shards" / "model.safetensors").unlink()
    model = transformers.BertForPreTraining.from_pretrained(folder)
    model.save_pretrained(tmp_path / "shards", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert_same(hugging_face.read(str(tmp_path / "shards")), whole)


def test_pytorch_files(folder):
    whole = hugging_face.read(str(folder))
    expected = dataclasses.replace(whole, weights=Tensors.of(arrays(whole.weights)))
    model = transformers.BertForPreTraining.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma"): value.half().float()
        for name, value in model.state_dict().items()
    }
    old["bert.embeddings.position_ids"] = torch.arange(24)
    torch.save(old, folder / "pytorch_model.bin")
    found = hugging_face.read(str(folder))
    for name, value in arrays(expected.weights).items():
        rounded = value.astype("float16").astype("float32")
        np.testing.assert_array_equal(found.weights.read(name), rounded)


class Malicious:
    def __reduce__(self):
        return print, ("this must never be printed",)


def test_another_vocabulary(folder):
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    tokens = [*VOCABULARY.tokens[:-1], "other"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    with pytest.raises(ValueError, match="have different pieces"):
        hugging_face.read(str(folder))


def test_positions_of_roberta_begin_after_its_padding(tmp_path):
    theirs = their_model("RobertaForTokenClassification", {**ROBERTA, **LABELS})
    found = hugging_face.read(save(theirs, tmp_path / "theirs"))
    longest = SIZES["max_position_embeddings"] - VOCABULARY.pad_id - 1
    assert found.config.max_sequence_length == longest
    assert found.description.encoding["max_length"] == longest


def test_a_pickle_is_not_run(folder, capsys):
    (folder / "model.safetensors").unlink()
    torch.save({"x": Malicious()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="contains more than tensors"):
        hugging_face.read(str(folder))
    assert "never" not in capsys.readouterr().out


def test_a_tokenizer_of_one_file(folder):
    whole = hugging_face.read(str(folder))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").unlink(missing_ok=True)
    assert (folder / "tokenizer.json").exists()
    assert_same(hugging_face.read(str(folder)), whole)
    values = json.loads((folder / "tokenizer.json").read_text())
    values["model"]["type"] = "WordLevel"
    (folder / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"of type 'WordLevel'\. Expected WordPiece"):
        hugging_face.read(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="contains neither"):
        hugging_face.read(str(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 2}, "extra bert.encoder.layer.2"),
        ({"num_hidden_layers": 4}, "missing bert.encoder.layer.3"),
        ({"intermediate_size": 41}, r"has the shape \(40, 16\), expected \(41, 16\)"),
        ({"hidden_act": "silu"}, "'hidden_act': 'silu'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "'is_decoder': True"),
        ({"model_type": "gpt2"}, "model_type='gpt2'"),
    ],
)
def test_configs_of_other_models(folder, changes, message):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))
    with pytest.raises(ValueError, match=message):
        hugging_face.read(str(folder))


DETECTOR = Description("pretraining", objective="replaced_tokens")


@pytest.mark.parametrize("width", [16, 128])
def test_both_models_of_electra(tmp_path, width):
    """The numbers of their two models, and the way back."""
    changes = {"hidden_size": width, "hidden_act": "gelu", "pooler": False}
    changes["pooler_activation"] = "gelu"
    ours = checkpoint_of(DETECTOR, tmp_path / "ours", **changes)
    hugging_face.write(ours, str(tmp_path / "theirs"))
    assert_same(hugging_face.read(str(tmp_path / "theirs")), ours)

    model = model_dir.load(str(tmp_path / "ours")).model
    inputs = their_inputs(transformers.BertModel(transformers.BertConfig(**SIZES)))
    ids = inputs["input_ids"].numpy()
    batch = {
        "token_ids": ids.astype("int32"),
        "segment_ids": inputs["token_type_ids"].numpy().astype("int32"),
        "padding_mask": inputs["attention_mask"].numpy().astype(bool),
    }
    discriminator = transformers.ElectraForPreTraining.from_pretrained(
        tmp_path / "theirs"
    ).eval()
    generator = transformers.ElectraForMaskedLM.from_pretrained(
        tmp_path / "theirs" / "generator"
    ).eval()
    with torch.no_grad():
        detected = discriminator(**inputs).logits.numpy()
        predicted = generator(**inputs).logits.numpy()
    everywhere = np.tile(np.arange(ids.shape[1], dtype="int32"), (len(ids), 1))
    found = model({**batch, "mlm_positions": everywhere})["mlm"].numpy()
    vectors = model.encoder(batch)["sequence_output"]
    vectors = elementwise.activation(model.transform(vectors), name="gelu")
    replaced = model.detector(vectors).numpy()[:, :, 0]
    for row, length in enumerate(LENGTHS):
        assert_near(found[row, :length], predicted[row, :length])
        assert_near(replaced[row, :length], detected[row, :length])


def test_a_discriminator_alone_is_an_encoder(tmp_path, caplog):
    theirs = their_model("ElectraForPreTraining", ELECTRA)
    found = hugging_face.read(save(theirs, tmp_path / "theirs"))
    assert found.description == Description("pretraining", head={"mlm_head": False})
    assert "left out the head that detects replaced tokens" in caplog.text


def test_a_generator_of_another_model(tmp_path):
    changes = {"hidden_act": "gelu", "pooler": False, "pooler_activation": "gelu"}
    ours = checkpoint_of(DETECTOR, tmp_path / "ours", **changes)
    hugging_face.write(ours, str(tmp_path / "theirs"))
    path = tmp_path / "theirs" / "generator" / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "layer_norm_eps": 1e-5}))
    with pytest.raises(ValueError, match="is not the generator of"):
        hugging_face.read(str(tmp_path / "theirs"))
