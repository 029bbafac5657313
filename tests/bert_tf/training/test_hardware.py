import itertools

import pytest
import tensorflow as tf

from bert_tf.training import hardware


class Clock:
    """Time stands still but while a product is computed, in these seconds each."""

    def __init__(self, *seconds):
        self.now, self.steps = (
            0.0,
            itertools.chain.from_iterable((0, s) for s in seconds),
        )

    def monotonic(self):
        return self.now

    def perf_counter(self):
        self.now += next(self.steps)
        return self.now


@pytest.mark.parametrize(
    ("gpus", "size"), [([], 1024), (["GPU:0"], 2048)], ids=["CPU", "GPU"]
)
def test_the_rate_is_that_of_the_fastest_product(monkeypatch, gpus, size):
    """m k n products and as many sums, by the time of the fastest of three."""
    monkeypatch.setattr(hardware, "time", Clock(0.5, 0.2, 0.4))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    seen = []

    def matmul(left, right):
        seen.append((left.shape, right.shape, left.dtype))
        return left[0, 0]

    monkeypatch.setattr(tf.linalg, "matmul", matmul)
    rate = hardware.peak_flops_per_second("bfloat16", seconds=1.0)
    assert seen == [((size, size), (size, size), tf.bfloat16)]
    assert rate == pytest.approx(2 * size**3 / 0.2)


@pytest.mark.parametrize(
    ("devices", "capability", "flags", "expected"),
    [
        (set(), None, "fpu avx2 avx512f avx512_vnni", "float32"),
        (set(), None, "fpu avx2 avx512_bf16", "bfloat16"),
        (set(), None, "fpu amx_bf16", "bfloat16"),
        (set(), None, "asimd bf16", "bfloat16"),
        (set(), None, None, "float32"),
        ({"GPU"}, (7, 5), "amx_bf16", "float32"),
        ({"GPU"}, (9, 0), "avx2", "bfloat16"),
        ({"GPU"}, None, "amx_bf16", "float32"),
        ({"TPU"}, None, "avx2", "bfloat16"),
    ],
)
def test_the_number_format_that_the_machine_multiplies_fastest(
    monkeypatch, tmp_path, devices, capability, flags, expected
):
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind: [kind] if kind in devices else [],
    )
    details = {} if capability is None else {"compute_capability": capability}
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda device: details
    )
    file = tmp_path / "cpuinfo"
    if flags is not None:
        file.write_text(f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(hardware, "_CPU_INFO", str(file))
    assert hardware.number_format("auto") == expected
    assert hardware.number_format("float16") == "float16"
