"""The schedule of a pre-training, and its planner where it has a budget or a plan."""

import posixpath
from collections.abc import Callable, Sequence

import tensorflow as tf

from bert_tf.optim.planned_decay import PlannedLinearDecay
from bert_tf.optim.schedule import WarmupConstant, WarmupLinearDecay
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.training.budget import Budget
from bert_tf.training.budget_planner import BudgetPlanner, Workload
from bert_tf.training.loop import Phase
from bert_tf.training.plan import PLAN, Plan, Wishes, read_plan
from bert_tf.training.planner import Planner, RecordedPlanner

Schedule = WarmupLinearDecay | WarmupConstant | PlannedLinearDecay


def make_schedule(options: PretrainOptions, first_step: int = 0) -> Schedule:
    """Makes the learning rate of a run.

    Args:
        options: the options of the run.
        first_step: the number of steps that its optimizer has made before.
    """
    peak = options.recipe.learning_rate
    if options.is_planned:
        return PlannedLinearDecay(peak)
    if options.schedule == "constant":
        return WarmupConstant(
            peak,
            options.num_steps,
            options.warmup_steps,
            options.cooldown_steps,
            first_step,
        )
    return WarmupLinearDecay(peak, options.num_steps, options.warmup_steps)


def given_plan(options: PretrainOptions) -> Plan | None:
    """Reads the plan that a run repeats; None if it repeats none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no plan, or that of a run with other rows.
    """
    if options.plan_file is None:
        return None
    plan = read_plan(options.plan_file)
    has_long_rows = plan.revisions[0].pace.long_from is not None
    length = options.recipe.long_sequence_length
    if has_long_rows != (length is not None):
        raise ValueError(
            f"Received long_sequence_length={length} and "
            f"{options.plan_file}, the plan of a run "
            f"{'with' if has_long_rows else 'without'} long rows. Expected the options "
            "of that run."
        )
    return plan


def make_planner(
    options: PretrainOptions,
    schedule: Schedule,
    plan: Plan | None,
    budget: Budget,
    say: Callable[[str], None],
    *,
    phases: Sequence[Phase],
    peak: float,
    num_weights: int,
    heldout: tf.data.Dataset | None,
) -> Planner:
    """Makes the planner of a run.

    Args:
        options: the options of the run, as they were given.
        schedule: the schedule of `make_schedule`.
        plan: the plan of `given_plan`.
        budget: the time of the command.
        say: receives messages for the user.
        phases: the phases of the run; their work has "flops".
        peak: the machine's rate at matrix products, FLOP/s.
        num_weights: the number of weights of the model.
        heldout: held-out batches; None: nothing is held out.
    """
    if not isinstance(schedule, PlannedLinearDecay):
        return Planner()
    path = posixpath.join(options.output_dir, PLAN)
    if plan is not None:
        return RecordedPlanner(path, plan, schedule, say)
    wishes = Wishes(
        checkpoint_every=options.checkpoint_every,
        log_every=options.log_every,
        eval_every=options.eval_every,
        num_eval_batches=options.num_eval_batches,
    )
    workload = _workload(phases, peak, num_weights, heldout)
    return BudgetPlanner(path, schedule, say, budget, workload, wishes)


def _workload(
    phases: Sequence[Phase],
    peak: float,
    num_weights: int,
    heldout: tf.data.Dataset | None,
) -> Workload:
    return Workload(
        least_seconds_per_step=tuple(phase.work["flops"] / peak for phase in phases),
        num_bytes=4 * num_weights,
        num_eval_batches=0 if heldout is None else sum(1 for _ in heldout),
    )
