from data_pipelines.datasets.read_log import ReadLog


def test_empty():
    assert ReadLog("dev").lines() == ["dev: 0 read, 0 used, 0 skipped"]


def test_lines():
    log = ReadLog("train")
    for _ in range(67_349):
        log.use()
    log.skip("empty text", "line 17")
    log.skip("no label", "line 18")
    log.skip("empty text", "line 90")
    for name in ("q17", "q20", "q31"):
        log.warn("answer not found in the context", name)
    log.warn("odd", "q1")
    log.note("read from elsewhere")
    log.note("read from elsewhere")
    assert log.lines() == [
        "train: 67,352 read, 67,349 used, 3 skipped",
        "train: 2 skipped: empty text (line 17, line 90)",
        "train: 1 skipped: no label (line 18)",
        "train: 3 warnings: answer not found in the context (q17, q20, q31)",
        "train: 1 warning: odd (q1)",
        "train: read from elsewhere",
    ]


def test_only_the_first_few_are_named():
    log = ReadLog("train")
    for number in range(1_000):
        log.skip("empty text", f"line {number}")
    assert log.lines()[1] == (
        "train: 1,000 skipped: empty text (line 0, line 1, line 2, …)"
    )


def test_the_same_reason_may_skip_and_warn():
    log = ReadLog("dev")
    log.skip("odd", "a")
    log.warn("odd", "b")
    assert log.lines()[1:] == ["dev: 1 skipped: odd (a)", "dev: 1 warning: odd (b)"]


def test_counts_add_up_at_any_time():
    log = ReadLog("train")
    for number in range(30):
        log.use() if number % 3 else log.skip(f"reason {number % 2}", "")
        log.warn("odd", "")
        assert log.used + log.skipped == log.read == number + 1
