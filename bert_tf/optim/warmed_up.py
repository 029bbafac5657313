"""The optimizer of runs that are too short for a schedule of their own."""

from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import MomentOptimizer, make_optimizer
from bert_tf.optim.schedule import WarmupLinearDecay

# Share of the steps in which the learning rate rises.
_WARMUP_SHARE = 0.1


def warmed_up_adamw(
    peak: float,
    num_steps: int,
    *,
    beta_2: float = 0.999,
    layer_rates: LayerRates | None = None,
) -> MomentOptimizer:
    """Makes an AdamW whose rate rises for a tenth of the steps, and then falls to 0.

    It corrects the bias of its moments, which google-research/bert's does not: without,
    fine-tuning on small data sometimes fails (Mosbach et al. 2020), and small models
    diverge in pre-training at the rates that suit them.

    Args:
        peak: the highest learning rate.
        num_steps: the number of steps of the run.
        beta_2, layer_rates: see `MomentOptimizer`.
    """
    schedule = WarmupLinearDecay(peak, num_steps, int(_WARMUP_SHARE * num_steps))
    return make_optimizer("adamw", schedule, beta_2=beta_2, layer_rates=layer_rates)
