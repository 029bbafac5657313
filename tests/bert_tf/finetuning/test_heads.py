import numpy as np
import pytest

from bert_tf.checkpoints.description import Description
from bert_tf.checkpoints.model_dir import weights_of
from bert_tf.finetuning.heads import assign_encoder, balanced_weights, reused_heads
from bert_tf.tasks.classification import BertClassifier
from bert_tf.tasks.kinds import KINDS
from tests.bert_tf.small_models import randomize, small_config, small_pretrainer


def test_balanced_classes_have_the_same_total():
    labels = np.array([0, 0, 0, 1, 3, 3])
    weights = balanced_weights(labels, 4)
    totals = [weights[label] * (labels == label).sum() for label in (0, 1, 3)]
    assert totals == pytest.approx([1.5] * 3)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    ("kind", "start", "predicts_tokens", "expected"),
    [
        ("classification", Description("pretraining"), False, ()),
        ("classification", Description("pretraining"), True, ("mlm_head/",)),
        ("classification", Description("classification"), False, ()),
        ("correction", Description("pretraining"), False, ("mlm_head/",)),
        (
            "correction",
            Description("correction"),
            False,
            ("mlm_head/", "head/", "tag_table"),
        ),
        (
            "correction",
            Description("pretraining", objective="replaced_tokens"),
            False,
            (),
        ),
    ],
)
def test_reused_heads(kind, start, predicts_tokens, expected):
    assert reused_heads(KINDS[kind], start, predicts_tokens) == expected


def encoder_weights():
    model = small_pretrainer()
    randomize(model)
    return {
        name: np.asarray(variable)
        for name, variable in weights_of(model).items()
        if name.startswith("encoder/")
    }


def classifier():
    return BertClassifier(small_config(), num_outputs=2, name="bert")


def test_top_layers_may_keep_their_weights():
    weights, model = encoder_weights(), classifier()
    before = {name: np.asarray(v) for name, v in weights_of(model).items()}
    assign_encoder(model, weights, reinit_layers=1)
    for name, variable in weights_of(model).items():
        kept = name.startswith(("head", "encoder/block_1/", "encoder/pooler/"))
        expected = before[name] if kept else weights[name]
        np.testing.assert_array_equal(variable, expected, name)


def test_no_weights_and_missing_weights():
    weights, model = encoder_weights(), classifier()
    assign_encoder(model, {})
    del weights["encoder/embeddings/norm/scale"]
    with pytest.raises(ValueError, match="norm/scale is missing"):
        assign_encoder(model, weights)
