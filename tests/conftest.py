"""One CPU as two devices; no test of chance; and what was skipped is told."""

import collections
import gc
import os
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

from tests.seeds import set_seed


def pytest_configure() -> None:
    # Possible only before TensorFlow has run anything.
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    # Programs that tests start compute as the tests themselves, to the last bit. There
    # is no public function that tells whether oneDNN is on.
    is_on = _pywrap_util_port.IsMklEnabled()
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(is_on))


def pytest_collection_finish() -> None:
    # What was imported stays: the collector need not look at half a million objects
    # each time.
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU")


_CORE_OPS = """
import tensorflow as tf
from tensorflow.python.client import pywrap_tf_session as session
from tensorflow.core.framework import op_def_pb2
ops = op_def_pb2.OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
print("\\n".join(op.name for op in ops.op))
"""


@pytest.fixture(scope="session")
def core_ops() -> set[str]:
    """Names of all ops of TensorFlow, where nothing else is loaded."""
    run = subprocess.run(
        [sys.executable, "-c", _CORE_OPS], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.fixture(autouse=True)
def _seed() -> None:
    # Initial weights, whatever ran before: a tolerance holds always or never.
    set_seed(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Without -rs nobody would see that tests miss their data or packages.
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = collections.Counter(report.longrepr[2] for report in skipped)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} × {reason}")
