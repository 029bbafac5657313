"""The page of the curves, from a file of results."""

import pytest

from benchmarks import quality_report
from benchmarks.quality.results import Point, Result, append_result
from benchmarks.quality_report import ReportOptions, replaced

MACHINE = {
    "processor": "A",
    "cores": 2,
    "instruction_sets": ["avx2"],
    "float32_gflops": 50.0,
    "bfloat16_gflops": 160.0,
    "tensorflow": "2.21.0",
}
PAGE = """# Title
<!-- curve -->
old
<!-- end -->
Between.
<!-- full -->
<!-- end -->
<!-- times -->
<!-- end -->
"""


def steps(side, minutes, seed, bits, blimp, machine=MACHINE):
    values = {
        "pretrain": {"tokens": 3e6, "flop": 24e12},
        "heldout": {"bits_per_byte": bits, "word_accuracy": 0.2},
        "blimp": {"accuracy": blimp},
    }
    for step, figures in values.items():
        yield Result(Point(side, minutes, seed), step, 60.0, figures, machine, "")


def test_the_page(tmp_path):
    results = str(tmp_path / "results.jsonl")
    for point in (
        ("bert", 5.0, 0, 2.5, 0.5),
        ("bert", 5.0, 1, 2.7, 0.6),
        ("modern", 5.0, 0, 2.25, 0.52),
        ("modern", 15.0, 0, 2.0, 0.6),
        # A rate within a tenth is that of the same machine.
        ("bert", 15.0, 0, 2.1, 0.7, {**MACHINE, "bfloat16_gflops": 170.0}),
        ("bert", 30.0, 0, 1.9, 0.7, {**MACHINE, "bfloat16_gflops": 320.0}),
    ):
        for result in steps(*point):
            append_result(results, result)
    (tmp_path / "quality_per_hour.md").write_text(PAGE)
    quality_report.main(ReportOptions(results_file=results, docs_dir=str(tmp_path)))
    page = (tmp_path / "quality_per_hour.md").read_text()
    # 24 TFLOP in five minutes, of 160 GFLOP/s: half the rate.
    assert (
        "| A | 5 | --family=bert | 2 | 2.600 ± 0.141 | **20.0 ± 0.0** "
        "| **55.0 ± 7.1** | – | – | 3.0 ± 0.0 | 0.02 ± 0.00 | 50.0 |\n"
    ) in page
    assert "| A | 5 | --family=modern | 1 | **2.250** |" in page
    assert "| A | 15 | --family=bert | 1 | 2.100 |" in page
    assert "| B | 30 | --family=bert | 1 | **1.900** |" in page
    assert "old" not in page
    assert "Between." in page
    assert "- A: A, 2 cores (avx2), matrix products at 50 GFLOP/s in float32" in page
    assert "320 GFLOP/s in bfloat16, TensorFlow 2.21.0: 3 steps" in page
    for name in ("bits", "tasks"):
        picture = (tmp_path / f"quality_{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")


def test_what_is_missing(tmp_path):
    missing = str(tmp_path / "results")
    with pytest.raises(ValueError, match="has no results"):
        quality_report.main(ReportOptions(results_file=missing, docs_dir=str(tmp_path)))
    with pytest.raises(ValueError, match="The page lacks <!-- curve -->"):
        replaced("# Title", "curve", "table")
