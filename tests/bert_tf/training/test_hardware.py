from bert_tf.training.hardware import peak_flops_per_second


def test_matmul_rate_is_plausible():
    rate = peak_flops_per_second("float32", seconds=0.05)
    assert 1e8 < rate < 1e15
