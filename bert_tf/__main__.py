"""The command `bert-tf VERB`, the same as `python -m bert_tf.VERB`."""

import ast
import difflib
import importlib.resources
import runpy
import sys

from data_pipelines.programs import start

# In the order in which they are used, as `bert-tf --help` lists them.
_MODULES = (
    "bert_tf.demo",
    "data_pipelines.learn_vocabulary",
    "data_pipelines.create_pretraining_data",
    "bert_tf.learn_vectors",
    "bert_tf.model_size",
    "bert_tf.pretrain",
    "bert_tf.compare",
    "data_pipelines.corrupt_text",
    "bert_tf.finetune",
    "bert_tf.evaluate",
    "bert_tf.predict",
    "bert_tf.extract_features",
    "bert_tf.neighbors",
    "bert_tf.convert",
    "bert_tf.export",
    "bert_tf.serve",
    "data_pipelines.tokenize",
    "bert_tf.ngram.train",
    "bert_tf.ngram.evaluate",
    "bert_tf.ngram.predict",
    "bert_tf.ngram.show_classes",
)
VERBS = {module.partition(".")[2]: module for module in _MODULES}

_USAGE = """\
BERT for TensorFlow and Keras: from raw text to a model that answers plain strings.

Usage: bert-tf VERB [--option=value ...]
       bert-tf VERB --help
"""
_COMPLETION = """
Completion of the verbs in bash:
    complete -W "$(bert-tf --help | awk '/^  [a-z]/ {print $1}')" bert-tf
"""


def main() -> int:
    """Runs the verb that the command line names, and returns the exit code."""
    start.start()
    if len(sys.argv) < 2:
        print(help_text(), end="", file=sys.stderr)
        return 1
    verb = sys.argv.pop(1)
    if verb in ("help", "--help", "-help", "-h", "-?"):
        print(help_text(), end="")
        return 0
    module = VERBS.get(verb.replace("-", "_"))
    if module is None:
        print(f"error: {_unknown(verb)}", file=sys.stderr)
        return 1
    # As `python -m` does, so that processes of a pool find the functions of the verb.
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def help_text() -> str:
    """The verbs, each with the first line of its docstring."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {_summary(VERBS[verb])}" for verb in VERBS]
    return "\n".join([_USAGE, "Verbs:", *lines, _COMPLETION])


def _summary(module: str) -> str:
    # It is read: importing the module would import TensorFlow, which takes seconds.
    package, _, name = module.rpartition(".")
    path = importlib.resources.files(package) / f"{name}.py"
    tree = ast.parse(path.read_bytes())
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _unknown(verb: str) -> str:
    near = difflib.get_close_matches(verb.replace("-", "_"), VERBS, n=2)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"Received the unknown verb {verb!r}.{meant} bert-tf --help lists all verbs."


if __name__ == "__main__":
    sys.exit(main())
