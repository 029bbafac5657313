import numpy as np
import pytest
import tensorflow as tf

from bert_tf.tasks.auxiliary_lm import AuxiliaryObjective, WithLanguageModel
from bert_tf.tasks.classification import BertClassifier, ClassificationObjective
from tests.bert_tf.packed import packed, random_features
from tests.bert_tf.small_models import randomize, small_config
from tests.reference import bert
from tests.seeds import set_seed


def models():
    set_seed(0)
    task = BertClassifier(small_config(causal=True), 2, name="bert")
    randomize(task)
    model = WithLanguageModel(task, {}, name="both")
    randomize(model, seed=2)
    return task, model


def batch_of():
    return packed(random_features(label=tf.constant([0, 1, 1, 0, 1, 0, 0])))


def test_losses_by_hand():
    task, model = models()
    batch = batch_of()
    outputs = model(batch)
    np.testing.assert_allclose(outputs["task"], task(batch), atol=1e-6)
    objective = AuxiliaryObjective(ClassificationObjective(), lm_weight=0.5)
    sums, weights = objective.sums(outputs, batch), objective.weights(batch)
    logits = np.asarray(outputs["next"])
    ids, owner = (np.asarray(batch[n]) for n in ("token_ids", "sequence_ids"))
    losses = []
    for row, places in enumerate(owner):
        for place in range(len(places) - 1):
            # The first token of a neighbour is not to be foretold, nor padding.
            if places[place] >= 0 and places[place] == places[place + 1]:
                label = ids[row, place + 1]
                losses.append(bert.cross_entropy(logits[row, place], label))
    assert float(weights["lm_loss"]) == pytest.approx(len(losses))
    assert float(sums["lm_loss"]) == pytest.approx(np.sum(losses), rel=1e-5)
    assert float(sums["weighted_lm_loss"]) == pytest.approx(0.5 * np.sum(losses))
    alone = ClassificationObjective().sums(outputs["task"], batch)
    assert float(sums["loss_per_example"]) == pytest.approx(
        float(alone["loss_per_example"])
    )
    assert objective.losses == ("loss_per_example", "weighted_lm_loss")


def test_the_head_is_that_of_pre_training():
    task, model = models()
    weights = {
        v.path[v.path.index("mlm_head/") :]: np.asarray(v) + 1
        for v in model.mlm_head.weights
    }
    again = WithLanguageModel(task, weights)
    for variable in again.mlm_head.weights:
        name = variable.path[variable.path.index("mlm_head/") :]
        np.testing.assert_array_equal(np.asarray(variable), weights[name])
