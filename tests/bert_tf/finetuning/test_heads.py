import numpy as np
import pytest

from bert_tf.checkpoints.description import Description
from bert_tf.checkpoints.model_dir import weights_of
from bert_tf.finetuning.heads import assign_encoder, balanced_weights, reused_heads
from bert_tf.tasks.classification import BertClassifier
from bert_tf.tasks.kinds import KINDS
from bert_tf.tasks.token_tagging import BertTagger
from tests.bert_tf.small_models import randomize, small_config, small_pretrainer


def test_balanced_classes_have_the_same_total():
    labels = np.array([0, 0, 0, 1, 3, 3])
    weights = balanced_weights(labels, 4)
    totals = [weights[label] * (labels == label).sum() for label in (0, 1, 3)]
    assert totals == pytest.approx([1.5] * 3)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    ("kind", "start", "expected"),
    [
        ("classification", Description("pretraining"), ("transform/", "mlm_head/")),
        ("classification", Description("classification"), ("transform/", "mlm_head/")),
        (
            "correction",
            Description("correction"),
            ("transform/", "mlm_head/", "head/", "tag_table"),
        ),
        ("correction", Description("pretraining", objective="replaced_tokens"), ()),
    ],
)
def test_reused_heads(kind, start, expected):
    assert reused_heads(KINDS[kind], start) == expected


def test_the_transform_of_a_head_begins_as_that_of_the_masked_lm_head():
    changes = {"head_transform": True, "biases": False, "pooler": False}
    pretrainer = small_pretrainer(sentence_head=False, **changes)
    randomize(pretrainer)
    weights = {n: np.asarray(v) for n, v in weights_of(pretrainer).items()}
    tagger = BertTagger(small_config(**changes), 3, name="bert")
    assign_encoder(tagger, weights)
    for own, theirs in (
        (tagger.transform.transform.kernel, pretrainer.mlm_head.transform.kernel),
        (tagger.transform.norm.scale, pretrainer.mlm_head.norm.scale),
    ):
        np.testing.assert_array_equal(own, theirs)
    # Its own, where there is one.
    own = {n: np.asarray(v) + 1 for n, v in weights_of(tagger).items()}
    assign_encoder(tagger, {**weights, **own})
    np.testing.assert_array_equal(
        tagger.transform.norm.scale, own["transform/norm/scale"]
    )


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
