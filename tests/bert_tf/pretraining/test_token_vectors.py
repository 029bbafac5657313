import sys

import pytest

from bert_tf.pretraining.token_vectors import require_gensim


def test_without_gensim_the_user_reads_both_ways_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    with pytest.raises(ImportError, match=r"word_vectors.*Or start without: --nolearn"):
        require_gensim()
