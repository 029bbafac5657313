"""Changes central code on purpose, and counts the changes that its own tests notice.

    python -m tests.mutation                       # 20 mutants of each module
    python -m tests.mutation --only=windows --max_mutants=5

Each mutant is one small change (`<` to `<=`, `+` to `-`, 1 to 2, a negated condition, a
missing statement) in a copy of the project, against which the tests of that module run.
A mutant that no test notices is printed: a test is missing, or the change does not
matter. The mutants are drawn with a fixed seed.
"""

import argparse
import ast
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest
import tensorflow_text  # noqa: F401  (in this process once, not for each mutant)

ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("bert_tf", "data_pipelines", "tests")
# Modules, and their tests.
MODULES = {
    "masking": (
        "data_pipelines/pretraining/masking.py",
        "tests/data_pipelines/pretraining/test_masking.py",
    ),
    "packing": (
        "data_pipelines/rows/packing.py",
        "tests/data_pipelines/rows/test_packing.py",
    ),
    "windows": (
        "data_pipelines/rows/windows.py",
        "tests/data_pipelines/rows/test_windows.py",
    ),
    "offsets": (
        "data_pipelines/tokenizers/wordpiece.py",
        "tests/data_pipelines/tokenizers/test_wordpiece.py",
    ),
    "spans": (
        "bert_tf/tasks/span_answers.py",
        "tests/bert_tf/tasks/test_span_qa.py",
    ),
    "metrics": ("bert_tf/metrics/squad.py", "tests/bert_tf/metrics/test_squad.py"),
    "schedule": ("bert_tf/optim/schedule.py", "tests/bert_tf/optim/test_schedule.py"),
    "adamw": ("bert_tf/optim/optimizers.py", "tests/bert_tf/optim/test_optimizers.py"),
    "checkpoints": (
        "bert_tf/training/run_checkpoints.py",
        "tests/bert_tf/training/test_run_checkpoints.py",
    ),
    "engine": ("bert_tf/tasks/engine.py", "tests/bert_tf/tasks/test_engine.py"),
}
_COMPARISONS = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
_OPERATORS = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
_FUNCTIONS = {
    "min": "max",
    "any": "all",
    "argmax": "argmin",
    "minimum": "maximum",
    "logical_and": "logical_or",
    "reduce_any": "reduce_all",
    "reduce_min": "reduce_max",
    "zeros": "ones",
    "zeros_like": "ones_like",
}
_FUNCTIONS |= {new: old for old, new in _FUNCTIONS.items()}


@dataclasses.dataclass(frozen=True, order=True)
class Mutant:
    """A change of the source between two places, counted in bytes."""

    line: int
    start: int
    stop: int
    text: str

    def apply(self, source: bytes) -> bytes:
        """The changed source."""
        return source[: self.start] + self.text.encode() + source[self.stop :]


def mutants(source: bytes) -> list[Mutant]:
    """All changes that this program knows for a source, in the order of its lines."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, replacement in _replacements(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        stop = starts[node.end_lineno - 1] + node.end_col_offset
        found.append(Mutant(node.lineno, start, stop, replacement))
    return sorted(set(found))


def _replacements(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Pairs of a node and the text in its place."""
    # Annotations do nothing, and the words of an error are no behaviour.
    if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.Assert)):
        return
    unread = {"annotation", "returns", "decorator_list"}
    match node:
        case ast.Compare(left, [op], [right]):
            yield node, _joined(left, _COMPARISONS[type(op)], right)
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            yield node, _joined(left, _OPERATORS[type(op)], right)
        case ast.BoolOp(op, values):
            word = " or " if isinstance(op, ast.And) else " and "
            yield node, f"({word.join(f'({ast.unparse(v)})' for v in values)})"
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.Constant(bool() as value):
            yield node, str(not value)
        case ast.Constant(int() | float() as value):
            yield node, repr(value + 1)
        case ast.If(test) | ast.IfExp(test) | ast.While(test):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.Name(name) if name in _FUNCTIONS:
            yield node, _FUNCTIONS[name]
        case ast.Attribute(value, name) if name in _FUNCTIONS:
            yield node, f"{ast.unparse(value)}.{_FUNCTIONS[name]}"
        case ast.Expr(ast.Call()) | ast.AugAssign():
            yield node, "pass"
    for name, value in ast.iter_fields(node):
        if name not in unread:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _replacements(child)


def _joined(left: ast.expr, operator: str, right: ast.expr) -> str:
    return f"(({ast.unparse(left)}) {operator} ({ast.unparse(right)}))"


def _passes(folder: pathlib.Path, tests: str, timeout: float) -> bool:
    """Runs tests in a copy of this process, which has imported what takes seconds."""
    child = os.fork()
    if not child:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os.chdir(folder)
        sys.path[:] = [str(folder), *(p for p in sys.path if p not in ("", str(ROOT)))]
        for name in [n for n in sys.modules if n.split(".")[0] in _PACKAGES]:
            del sys.modules[name]
        os._exit(int(pytest.main(["-x", "-p", "no:cacheprovider", tests])))
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _check(folder: pathlib.Path, name: str, max_mutants: int, seed: int) -> None:
    path, tests = MODULES[name]
    begin = time.monotonic()
    if not _passes(folder, tests, 600):
        raise SystemExit(f"error: {tests} fails without a change. Expected it to pass.")
    timeout = 30 + 3 * (time.monotonic() - begin)
    source = (folder / path).read_bytes()
    drawn = mutants(source)
    if len(drawn) > max_mutants:
        drawn = sorted(random.Random(seed).sample(drawn, max_mutants))
    killed = 0
    for mutant in drawn:
        changed = mutant.apply(source)
        (folder / path).write_bytes(changed)
        if not _passes(folder, tests, timeout):
            killed += 1
            continue
        old = source[mutant.start : mutant.stop].decode()
        print(f"{path}:{mutant.line}: {old!r} -> {mutant.text!r}", flush=True)
    (folder / path).write_bytes(source)
    print(f"{name}: {killed} of {len(drawn)} mutants killed", flush=True)


def main() -> None:
    """Checks the modules one by one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=MODULES, default=list(MODULES))
    parser.add_argument("--max_mutants", type=int, default=20, help="of each module")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "project"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "saved_models")
        shutil.copytree(ROOT, folder, ignore=ignored)
        for name in options.only:
            _check(folder, name, options.max_mutants, options.seed)


if __name__ == "__main__":
    main()
