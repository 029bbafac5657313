"""Models of the Hugging Face Hub, from a small Hub on this machine."""

import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.model_dir import Description
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of

pytest.importorskip("huggingface_hub", reason="needs the extra hub")

NAME, COMMIT = "someone/small", "0123456789abcdef0123456789abcdef01234567"


class _Hub(http.server.BaseHTTPRequestHandler):
    """The three requests of a download: the revision, the files, and each file."""

    folder: pathlib.Path
    requested: list

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        path = self.path.partition("?")[0]
        api = f"/api/models/{NAME}"
        files = f"/{NAME}/resolve/{COMMIT}/"
        if path in (api, f"{api}/revision/main"):
            body = json.dumps({"id": NAME, "sha": COMMIT, "siblings": []}).encode()
        elif path == f"{api}/tree/{COMMIT}":
            body = json.dumps([self._entry(p) for p in self._files()]).encode()
        elif path.startswith(files):
            name = path.removeprefix(files)
            self.requested.append(name)
            body = (self.folder / name).read_bytes()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _files(self):
        return sorted(p for p in self.folder.rglob("*") if p.is_file())

    def _entry(self, path):
        content = path.read_bytes()
        return {
            "type": "file",
            "path": str(path.relative_to(self.folder)),
            "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
        }

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def hub_of(folder):
    """Yields the address, and the list of the files that were asked for."""
    handler = type("Hub", (_Hub,), {"folder": folder, "requested": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.requested
    finally:
        server.shutdown()
        server.server_close()


def convert(address, cache, source, output):
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(cache)}
    # The package reads its environment when it is imported.
    return subprocess.run(
        [
            *(sys.executable, "-m", "bert_tf.convert"),
            *(f"--source={source}", f"--output_dir={output}"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.slow
def test_a_model_is_downloaded_once(tmp_path):
    checkpoint = checkpoint_of(
        Description("pretraining", head={}, sentence_task="next_sentence"),
        tmp_path / "ours",
        hidden_act="gelu",
    )
    theirs = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(theirs))
    for name in ("README.md", "model.onnx", "pytorch_model.bin"):
        (theirs / name).write_text("Nobody reads this.")
    with hub_of(theirs) as (address, requested):
        for number in range(2):
            output = tmp_path / f"converted_{number}"
            found = convert(address, tmp_path / "cache", f"hf://{NAME}", output)
            assert found.returncode == 0, found.stderr
            assert "(hugging_face): pretraining" in found.stdout
            assert_same(model_dir.read(str(output)), checkpoint)
        assert "model.safetensors" in requested
        assert not {"README.md", "model.onnx", "pytorch_model.bin"} & {*requested}
        # Each file twice at most: its headers, and its content.
        assert max(map(requested.count, requested)) <= 2
        missing = convert(address, tmp_path / "cache", "hf://someone/else", "new")
    assert missing.returncode != 0 and not os.path.exists("new")
    (line,) = [line for line in missing.stderr.splitlines() if "Received" in line]
    assert "'hf://someone/else', which could not be downloaded" in line
