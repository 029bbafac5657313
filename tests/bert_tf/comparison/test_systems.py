import pytest

from bert_tf.comparison.budget import member_config
from bert_tf.comparison.systems import ABLATIONS, SYSTEMS
from bert_tf.models.families import FAMILIES
from bert_tf.models.objectives import OBJECTIVES
from bert_tf.pretraining.options import PretrainOptions

ALL = {
    **SYSTEMS,
    **{k: v for systems in ABLATIONS.values() for k, v in systems.items()},
}
PRETRAINED = [name for name, system in ALL.items() if system.verb == "pretrain"]


@pytest.mark.parametrize("name", PRETRAINED)
def test_options_and_config_fit_each_other(name):
    system = ALL[name]
    options = PretrainOptions(
        output_dir="x", input_files=("y",), **{"preset": "mini", **system.options}
    )
    config = member_config(system, options.preset, 1000)
    assert config.hidden_dropout_prob == 0
    is_elmo = config.architecture == "elmo"
    assert is_elmo == (options.recipe.objective == "both_directions")
    has_sentence_task = options.recipe.sentence_task is not None
    objective = OBJECTIVES[options.recipe.objective]
    assert objective.has_sentence_task or not has_sentence_task


def test_every_family_is_compared():
    families = {s.options["family"] for s in SYSTEMS.values() if s.verb == "pretrain"}
    assert families == set(FAMILIES)


def test_splits_of_table_8():
    rates = [
        (s.options["mask_rate"], s.options["random_rate"])
        for s in ABLATIONS["masking"].values()
    ]
    # Mask and random; the rest stays. In the order of the paper's rows.
    assert rates == [(0.8, 0.1), (1, 0), (0.8, 0), (0.8, 0.2), (0, 0.2), (0, 1)]
