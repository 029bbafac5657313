"""Checks the model on an accelerator with JAX, and measures the speed of a step.

    KERAS_BACKEND=jax python -m benchmarks.accelerator --preset=base --batch_size=256

For machines with an accelerator that JAX supports, but not TensorFlow: the layers are
Keras, and run there unchanged. First, outputs and gradients of a small model are
compared with the NumPy reference of the tests and with JAX on the CPU, in float32 with
exact products. Then a pre-training step (forward, backward, AdamW), compiled as a
whole, is compared with the matrix-multiplication rate of the machine. Prints medians of
the rounds.
"""

import dataclasses
import statistics
import time
from typing import Any, Literal

import jax
import keras
import numpy as np

from bert_tf.models import config as configs
from bert_tf.models.families import FAMILIES
from bert_tf.models.objectives import OBJECTIVES, make_pretrainer
from bert_tf.models.size import pretraining_step_flops
from data_pipelines.programs import cli
from tests.reference import bert

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclasses.dataclass(frozen=True)
class AcceleratorBenchmarkOptions:
    """Options of the benchmark."""

    preset: str = cli.option("base", f"One of {', '.join(configs.PRESETS)}.")
    families: tuple[str, ...] = cli.option(("bert",), "Model families to measure.")
    batch_size: int = cli.option(256, "Rows per step.")
    sequence_length: int = cli.option(128, "Tokens per row.")
    max_predictions: int = cli.option(20, "Masked tokens per row.")
    vocab_size: int = cli.option(30522, "Number of pieces of the vocabulary.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "bfloat16", "Precision of matrix products."
    )
    rounds: int = cli.option(5, "Number of rounds; the median is printed.")
    steps: int = cli.option(10, "Steps per round.")


def random_batch(
    vocab_size: int, rows: int, length: int, predictions: int
) -> dict[str, np.ndarray]:
    """Creates rows of random tokens, with a tenth of padding."""
    random = np.random.default_rng(0)
    lengths = random.integers(int(length * 0.8), length + 1, rows)
    shape = (rows, predictions)
    return {
        "token_ids": random.integers(5, vocab_size, (rows, length), np.int32),
        "segment_ids": np.repeat([[0, 1]], length // 2, 1).repeat(rows, 0).astype("i4"),
        "padding_mask": np.arange(length)[None] < lengths[:, None],
        "mlm_positions": random.integers(1, length // 2, shape, np.int32),
        "mlm_ids": random.integers(5, vocab_size, shape, np.int32),
        "mlm_weights": np.ones(shape, np.float32),
        "sentence_label": random.integers(0, 2, rows, np.int32),
        "row_weight": np.ones(rows, np.float32),
    }


def check(family: str) -> None:
    """Prints the differences of a small model from the references."""
    config = _config("mini", 1000, family)
    batch = random_batch(1000, 8, 32, 4)
    with jax.default_matmul_precision("highest"):
        outputs, gradients = _outputs_and_gradients(family, config, batch, None)
        cpu = jax.devices("cpu")[0]
        expected, of_cpu = _outputs_and_gradients(family, config, batch, cpu)
    far = max(_distance(outputs[name], expected[name]) for name in expected)
    far_gradients = max(_distance(a, b) for a, b in zip(gradients, of_cpu, strict=True))
    line = f"{family}: differs from the CPU by {far:.1e} (outputs), "
    line += f"{far_gradients:.1e} (gradients)"
    if family == "bert":
        model = _model(family, config, "float32")
        weights = {
            w.path.removeprefix("bert/"): np.asarray(w) for w in model.trainable_weights
        }
        encoder = {n.removeprefix("encoder/"): w for n, w in weights.items()}
        arrays = (batch[n] for n in ("token_ids", "segment_ids", "padding_mask"))
        encoded = bert.encode(encoder, config.to_dict(), *arrays)
        mlm, _ = bert.pretraining_logits(
            weights, config.to_dict(), *encoded, batch["mlm_positions"]
        )
        line += f", from NumPy by {_distance(outputs['mlm'], mlm):.1e} (logits)"
    print(line, flush=True)


def _distance(one: Any, other: Any) -> float:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-12))


def _config(preset: str, vocab_size: int, family: str) -> configs.BertConfig:
    changes = {**FAMILIES[family].config, "initializer_range": 0.05}
    return configs.preset(preset, vocab_size, **changes)


def _model(family: str, config: configs.BertConfig, policy: str) -> Any:
    keras.utils.set_random_seed(0)
    recipe = FAMILIES[family].recipe
    has_sentences = recipe.sentence_task is not None
    return make_pretrainer(recipe.objective, config, has_sentences, policy)


def _loss_of(model: Any, family: str, training: bool) -> Any:
    recipe = FAMILIES[family].recipe
    objective = OBJECTIVES[recipe.objective].loss(recipe.sentence_task is not None)

    def loss(weights: Any, others: Any, batch: Any) -> Any:
        outputs, others = model.stateless_call(
            weights, others, batch, training=training
        )
        sums, counts = objective.sums(outputs, batch), objective.weights(batch)
        total = sum(sums[name] / counts[name] for name in objective.losses)
        return total, (outputs, others)

    return loss


def _outputs_and_gradients(
    family: str, config: configs.BertConfig, batch: dict[str, Any], device: Any
) -> tuple[dict[str, Any], list[Any]]:
    with jax.default_device(device):
        model = _model(family, config, "float32")
        weights = [np.asarray(v.value) for v in model.trainable_variables]
        others = [np.asarray(v.value) for v in model.non_trainable_variables]
        loss = _loss_of(model, family, training=False)
        run = jax.jit(jax.grad(loss, has_aux=True))
        gradients, (outputs, _) = run(weights, others, batch)
    return outputs, gradients


def measure(options: AcceleratorBenchmarkOptions, family: str, peak: float) -> None:
    """Prints the speed of a step."""
    config = _config(options.preset, options.vocab_size, family)
    length, predictions = options.sequence_length, options.max_predictions
    if OBJECTIVES[FAMILIES[family].recipe.objective].unmasked is not None:
        predictions = length - 2
    batch = random_batch(options.vocab_size, options.batch_size, length, predictions)
    batch = {name: jax.device_put(values) for name, values in batch.items()}
    model = _model(family, config, _POLICIES[options.dtype])
    optimizer = keras.optimizers.AdamW(1e-4, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    loss = _loss_of(model, family, training=True)

    def step(state: Any, batch: Any) -> Any:
        weights, others, slots = state
        run = jax.value_and_grad(loss, has_aux=True)
        (value, (_, others)), gradients = run(weights, others, batch)
        weights, slots = optimizer.stateless_apply(slots, gradients, weights)
        return (weights, others, slots), value

    compiled = jax.jit(step, donate_argnums=0)
    state = tuple(
        [variable.value for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            optimizer.variables,
        )
    )
    began = time.perf_counter()
    state, value = compiled(state, batch)
    first = float(value)
    compilation = time.perf_counter() - began
    times = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        for _ in range(options.steps):
            state, value = compiled(state, batch)
        value.block_until_ready()
        times.append((time.perf_counter() - began) / options.steps)
    seconds = statistics.median(times)
    tokens = options.batch_size * length / seconds
    flops = pretraining_step_flops(config, options.batch_size, length, predictions)
    print(
        f"{family} {options.preset}, {options.batch_size} x {length}, {options.dtype}: "
        f"{tokens:,.0f} tokens/s, {seconds * 1e3:.1f} ms a step, "
        f"{flops / seconds / 1e12:.1f} TFLOP/s ({flops / seconds / peak:.0%} of a "
        f"matrix product); compiled in {compilation:.0f} s; loss {first:.3f}, then "
        f"{float(value):.3f}",
        flush=True,
    )


def matmul_flops_per_second(dtype: str) -> float:
    """Returns the rate of a large matrix product, the best of several runs."""
    size = 8192 if jax.default_backend() != "cpu" else 1024
    left = jax.random.normal(jax.random.key(0), (size, size)).astype(dtype)
    product = jax.jit(lambda a, b: a @ b)
    product(left, left).block_until_ready()
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        product(left, left).block_until_ready()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def main(options: AcceleratorBenchmarkOptions) -> None:
    """Checks the models, then measures them."""
    device = jax.devices()[0]
    peak = matmul_flops_per_second(options.dtype)
    print(
        f"{device.device_kind}; JAX {jax.__version__}, Keras {keras.__version__}; "
        f"matrix products in {options.dtype}: {peak / 1e12:.1f} TFLOP/s",
        flush=True,
    )
    for family in options.families:
        check(family)
    for family in options.families:
        measure(options, family, peak)


if __name__ == "__main__":
    cli.run(AcceleratorBenchmarkOptions, main, __doc__ or "")
