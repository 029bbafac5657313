"""Real corpora, tasks and vocabularies beside the project; tests without them skip."""

import pathlib

import pytest

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.exists(), reason=f"the shared data are not at {SHARED}"
)
