import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.config import BertConfig, preset
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.size import parameter_formulas
from tests.bert_tf.packed import (
    alone,
    assert_same_gradients,
    gradients,
    packed,
    random_features,
)
from tests.bert_tf.small_models import (
    random_batch,
    randomize,
    small_config,
    weights_by_name,
)
from tests.reference import bert
from tests.seeds import set_seed

VARIANTS = {
    "original": {},
    "exact gelu": {"hidden_act": "gelu"},
    "relu": {"hidden_act": "relu"},
    "gated": {"hidden_act": "geglu"},
    "pre-LN": {"norm_position": "pre"},
    "sinusoidal": {"position_embeddings": "sinusoidal"},
    "rotary": {"position_embeddings": "rotary"},
    "ALBERT": {"embedding_size": 6, "share_layers": True, "num_hidden_layers": 3},
    "GPT": {"causal": True},
    "local attention": {
        "local_attention": 2,
        "global_attention_every": 2,
        "num_hidden_layers": 3,
        "position_embeddings": "rotary",
    },
    "RoBERTa": {"type_vocab_size": 0, "position_offset": 2, "layer_norm_eps": 1e-5},
}


@functools.cache
def encoder(name):
    """The encoder of a variant, which no test changes."""
    set_seed(0)
    model = BertEncoder(small_config(**VARIANTS[name]), name="encoder")
    randomize(model)
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_the_numpy_reference(name):
    model = encoder(name)
    batch = random_batch()
    outputs = model(batch)
    sequence, pooled = bert.encode(
        weights_by_name(model),
        model.config.to_dict(),
        *(np.asarray(batch[k]) for k in ("token_ids", "segment_ids", "padding_mask")),
    )
    real = np.asarray(batch["padding_mask"])
    difference = np.asarray(outputs["sequence_output"]) - sequence
    assert np.abs(difference[real]).max() < 1e-5
    assert np.abs(np.asarray(outputs["pooled_output"]) - pooled).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "reach"),
    [({"causal": True}, (12, 0)), ({"local_attention": 2}, (2, 2))],
)
def test_what_is_out_of_sight_has_no_part(changes, reach):
    """Another token changes the vectors of those that see it, and no others."""
    # The second layer alone, if not all are global.
    config = small_config(**changes, global_attention_every=2)
    block = BertEncoder(config)
    randomize(block)
    block.blocks[0].attention.output_projection.kernel.assign(np.zeros((16, 16)))
    token_ids = np.arange(5, 17)[None, :]
    other = token_ids.copy()
    other[0, 6] = 17
    one, two = (
        np.asarray(
            block({"token_ids": ids, "padding_mask": np.ones([1, 12], bool)})[
                "sequence_output"
            ]
        )
        for ids in (token_ids, other)
    )
    moved = np.abs(one - two).max(axis=-1)[0] > 1e-6
    after, before = reach
    expected = [6 - before <= place <= 6 + after for place in range(12)]
    assert moved.tolist() == expected


def test_a_model_of_bert_tinys_size_equals_the_reference():
    config = preset("tiny", 1000)
    model = BertEncoder(config, name="encoder")
    randomize(model, scale=0.05)
    batch = random_batch(sequence=40)
    sequence, _ = bert.encode(
        weights_by_name(model),
        config.to_dict(),
        *(np.asarray(batch[k]) for k in ("token_ids", "segment_ids", "padding_mask")),
    )
    real = np.asarray(batch["padding_mask"])
    difference = np.asarray(model(batch)["sequence_output"]) - sequence
    assert np.abs(difference[real]).max() < 1e-5


def test_padding_does_not_show():
    model = BertEncoder(small_config())
    batch = random_batch(batch_size=2, sequence=12)
    longer = {
        name: np.pad(np.asarray(batch[name]), ((0, 0), (0, 5)))
        for name in ("token_ids", "segment_ids", "padding_mask")
    }
    longer["token_ids"][:, 12:] = 7
    short = np.asarray(model(batch)["sequence_output"])
    long = np.asarray(model(longer)["sequence_output"])[:, :12]
    real = np.asarray(batch["padding_mask"])
    np.testing.assert_allclose(long[real], short[real], atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_sequences_that_share_a_row_do_not_know_of_each_other(name):
    model = encoder(name)
    features = random_features()
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(7, 16, 16)).astype("float32")

    def vectors(outputs, batch):
        tokens, mask = sequence_layout(batch)
        found = gather_tokens(outputs["sequence_output"], tokens)
        return np.asarray(mask)[:, :, None] * found

    def loss_of(outputs, batch):
        total = tf.reduce_sum(vectors(outputs, batch) * weights)
        return total + tf.reduce_sum(outputs["pooled_output"] * weights[:, 0])

    one, other = packed(features), alone(features)
    rows = {k: other[k] for k in ("token_ids", "segment_ids", "padding_mask")}
    outputs, expected = model(one), model(rows)
    np.testing.assert_allclose(
        vectors(outputs, one), vectors(expected, other), atol=1e-5
    )
    np.testing.assert_allclose(
        outputs["pooled_output"], expected["pooled_output"], atol=1e-5
    )
    found, expected = (gradients(model, loss_of, batch)[1] for batch in (one, other))
    assert_same_gradients(expected, found)


def test_without_segment_ids_all_are_the_first_segment():
    model = BertEncoder(small_config())
    batch = random_batch()
    zeros = {**batch, "segment_ids": np.zeros_like(batch["token_ids"])}
    without = {k: v for k, v in batch.items() if k != "segment_ids"}
    np.testing.assert_array_equal(
        model(without)["sequence_output"], model(zeros)["sequence_output"]
    )


def test_hidden_states():
    config = small_config(num_hidden_layers=3)
    outputs = BertEncoder(config)(random_batch(), return_hidden_states=True)
    assert len(outputs["hidden_states"]) == 4
    np.testing.assert_array_equal(
        outputs["hidden_states"][-1], outputs["sequence_output"]
    )


WITHOUT_BLOCKS = {
    "num_hidden_layers": 0,
    "position_embeddings": "none",
    "type_vocab_size": 0,
    "embedding_norm": False,
    "pooler": False,
}


@pytest.mark.parametrize("changes", [{}, {"share_layers": True}])
def test_without_blocks_an_encoder_is_its_table(changes):
    model = BertEncoder(small_config(**WITHOUT_BLOCKS, **changes), name="encoder")
    (name,), (table,) = zip(*weights_by_name(model).items(), strict=True)
    assert name == "embeddings/token_table"
    batch = random_batch()
    outputs = model(batch, return_hidden_states=True)
    expected = table[batch["token_ids"].numpy()]
    np.testing.assert_array_equal(outputs["sequence_output"], expected)
    assert "pooled_output" not in outputs and len(outputs["hidden_states"]) == 1
    formulas = parameter_formulas(model.config)
    assert sum(value for _, value in formulas.values()) == model.count_params()


def test_mixed_precision_is_near_float32():
    config = small_config()
    exact = BertEncoder(config, dtype="float32")
    mixed = BertEncoder(config, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    batch = random_batch()
    assert mixed(batch)["sequence_output"].dtype == "bfloat16"
    assert all(v.dtype == "float32" for v in mixed.trainable_variables)
    difference = np.asarray(exact(batch)["sequence_output"]) - np.asarray(
        mixed(batch)["sequence_output"], np.float32
    )
    assert np.abs(difference).mean() < 0.02


def test_a_row_longer_than_the_positions_is_refused():
    model = BertEncoder(small_config(max_position_embeddings=10, position_offset=2))
    with pytest.raises(ValueError, match=r"rows of 9 tokens\. Expected at most 8"):
        model(random_batch(sequence=9))


@pytest.mark.parametrize("name", VARIANTS)
def test_formulas_count_what_is_there(name):
    counted = sum(np.prod(v.shape) for v in encoder(name).trainable_variables)
    formulas = parameter_formulas(encoder(name).config)
    assert counted == sum(v for _, v in formulas.values())


def test_config_round_trip():
    model = BertEncoder(small_config(norm_position="pre"), dtype="mixed_bfloat16")
    again = BertEncoder.from_config(json.loads(json.dumps(model.get_config())))
    assert again.config == model.config
    assert again.compute_dtype == "bfloat16"
    assert BertConfig.from_dict(model.config.to_dict()) == model.config


READ = {
    **VARIANTS,
    "without pooler": {"pooler": False},
    "one block": {"num_hidden_layers": 1, "norm_position": "pre"},
    # Computed for all tokens.
    "DeBERTa": {"position_embeddings": "relative", "convolution_width": 3},
    "MPNet": {"bias_buckets": 8},
}


@pytest.mark.parametrize("name", READ)
def test_some_tokens_are_read(name):
    """Outputs and gradients are those where all tokens are read."""
    model = BertEncoder(small_config(**READ[name]), name="encoder")
    randomize(model)
    batch = random_batch(sequence=12)
    # In any order, also twice, and the padding.
    positions = np.random.default_rng(0).integers(0, 12, (4, 5)).astype("int32")
    factors = np.random.default_rng(1).normal(size=(4, 5, 16)).astype("float32")

    def found(reads):
        with tf.GradientTape() as tape:
            outputs = model(batch, read_positions=positions if reads else None)
            vectors = outputs["sequence_output"]
            if not reads:
                vectors = tf.gather(vectors, positions, batch_dims=1)
            values = [vectors]
            if "pooled_output" in outputs:
                values.append(outputs["pooled_output"])
            loss = sum(tf.reduce_sum(tf.sin(v)) for v in values)
            loss += tf.reduce_sum(vectors * factors)
        variables = [v.value for v in model.trainable_variables]
        return values, [
            tf.zeros_like(variable) if gradient is None else gradient
            for variable, gradient in zip(
                variables, tape.gradient(loss, variables), strict=True
            )
        ]

    values, slopes = found(True)
    expected_values, expected_slopes = found(False)
    for one, other in zip(values, expected_values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    for one, other in zip(slopes, expected_slopes, strict=True):
        one, other = tf.convert_to_tensor(one), tf.convert_to_tensor(other)
        largest = max(1.0, float(tf.reduce_max(tf.abs(other))))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("in_rows", [packed, alone])
def test_first_tokens_are_read(name, in_rows):
    """Outputs and gradients are those where all tokens are computed."""
    model = BertEncoder(small_config(**READ[name]), name="encoder")
    randomize(model)
    batch = in_rows(random_features())
    if in_rows is alone:
        batch = {n: batch[n] for n in ("token_ids", "segment_ids", "padding_mask")}

    def loss_of(outputs, batch):
        vectors = outputs.get("first_output")
        if vectors is None:
            vectors = model._token_of_row(outputs["sequence_output"], batch)
        values = [vectors, *([outputs["pooled_output"]] if model.pooler else [])]
        return sum(tf.reduce_sum(tf.sin(v) * v) for v in values)

    def found(**arguments):
        outputs = model(batch, **arguments)
        reading = functools.partial(model, **arguments)
        reading.trainable_variables = model.trainable_variables
        return outputs, gradients(reading, loss_of, batch)[1]

    (outputs, slopes), (expected, expected_slopes) = found(first_only=True), found()
    assert "sequence_output" not in outputs
    first = model._token_of_row(expected["sequence_output"], batch)
    np.testing.assert_allclose(outputs["first_output"], first, atol=1e-5)
    if model.pooler:
        np.testing.assert_allclose(
            outputs["pooled_output"], expected["pooled_output"], atol=1e-5
        )
    assert_same_gradients(expected_slopes, slopes)


def encoder_of_long_rows():
    model = BertEncoder(
        small_config(
            max_position_embeddings=4096,
            position_embeddings="rotary",
            local_attention=3,
        )
    )
    randomize(model)
    return model


@pytest.mark.parametrize("in_rows", [packed, alone])
def test_first_tokens_of_long_rows_are_read(in_rows, monkeypatch):
    model = encoder_of_long_rows()
    batch = in_rows(random_features())
    expected = model(batch, first_only=True)
    monkeypatch.setattr("bert_tf.models.encoder.LONG_ROW", 8)
    graph = tf.function(lambda rows: model(rows, first_only=True), autograph=False)
    for found in (graph(batch), model(batch, first_only=True)):
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=2e-5)


def test_some_tokens_of_long_rows_are_read(monkeypatch):
    model = encoder_of_long_rows()
    batch = random_batch(sequence=20)
    positions = np.array([[0, 7, 7], [1, 2, 3], [9, 0, 4], [5, 6, 8]], "int32")
    graph = tf.function(
        lambda rows, read: model(rows, read_positions=read), autograph=False
    )
    expected = model(batch, read_positions=positions)
    monkeypatch.setattr("bert_tf.models.encoder.LONG_ROW", 16)
    for run in (graph, lambda rows, read: model(rows, read_positions=read)):
        found = run(batch, positions)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=2e-5)
