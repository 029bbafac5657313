from bert_tf.comparison import budget


def test_epochs_that_fit():
    # 10 seconds to count the words, 5 for an epoch.
    assert budget.epochs_within(60, 15, 20) == 10
    assert budget.epochs_within(1, 15, 20) == 1
    assert budget.epochs_within(1000, 15, 20) == 15
