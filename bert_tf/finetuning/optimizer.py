"""The optimizer of fine-tuning, the same for the program and for `fit`."""

from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import MomentOptimizer, make_optimizer
from bert_tf.optim.schedule import WarmupLinearDecay

# Share of the steps in which the learning rate rises.
_WARMUP_SHARE = 0.1


def finetuning_optimizer(
    learning_rate: float, num_steps: int, layer_rates: LayerRates | None = None
) -> MomentOptimizer:
    """Makes an AdamW whose rate rises for a tenth of the steps, and falls to 0.

    Args:
        learning_rate: the peak.
        num_steps: the number of steps of the run.
        layer_rates: see `MomentOptimizer`.
    """
    num_warmup_steps = int(_WARMUP_SHARE * num_steps)
    schedule = WarmupLinearDecay(learning_rate, num_steps, num_warmup_steps)
    # Without bias correction fine-tuning on small data fails now and then (Mosbach et
    # al. 2020): not google-research/bert's AdamW.
    return make_optimizer("adamw", schedule, layer_rates=layer_rates)
