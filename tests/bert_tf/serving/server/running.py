"""A server that runs in a process of its own, and waiting for it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time


def base_paths(exported, *kinds: str) -> str:
    """The flag that names the exported models of these kinds."""
    paths = [os.path.dirname(exported(kind)[1]) for kind in kinds]
    return f"--model_base_path={','.join(paths)}"


class Server:
    """`bert_tf.serve` on ports of its own.

    Attributes:
        url: of REST.
        address: of gRPC.
        first_line: that it has printed.
    """

    def __init__(self, *flags: str, rest_port: int = 0) -> None:
        command = [sys.executable, "-u", "-m", "bert_tf.serve"]
        ports = [f"--rest_api_port={rest_port}", "--port=0"]
        self.process = subprocess.Popen(
            [*command, *ports, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.lines = []
        self.first_line = None
        too_late = threading.Timer(120, self.process.kill)
        too_late.start()
        for line in self.process.stdout:
            self.lines.append(line)
            if "bert_tf.serve is for development" in line:
                self.first_line = line
            found = re.search(r"http://(\S+) \(.*page\), (\S+) \(gRPC\)", line)
            if found:
                self.url, self.address = f"http://{found[1]}", found[2]
                break
        too_late.cancel()
        assert hasattr(self, "url"), "".join(self.lines)

    def stop(self, how=signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(how)
        with self.process.stdout as output:
            self.lines += output.readlines()
        return self.process.wait(timeout=60)

    def memory(self) -> int:
        """Bytes that it holds."""
        import psutil

        return psutil.Process(self.process.pid).memory_info().rss


@contextlib.contextmanager
def running(*flags, **arguments):
    server = Server(*flags, **arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def until(condition, what: str, seconds=60.0):
    """Waits for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)
