"""The pages are true: links, files, modules and options that they name exist."""

import ast
import functools
import json
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
INDEX = ROOT / "docs" / "README.md"
MAX_LINES_OF_README = 200
MAX_LINES_OF_A_PAGE = 220
# Pages that describe the project as it is. The changelog also names what is gone.
PAGES = [README, ROOT / "BUILD.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
# Options of other programs: TF Serving, Slurm, WikiExtractor, absl.
FOREIGN_OPTIONS = {
    "enable_batching",
    "enable_per_model_batching_parameters",
    "help",
    "json",
    "requeue",
    "verbosity",
    "xla_cpu_compilation_enabled",
}
# Placeholders, and what a command makes.
NO_FILES = re.compile(r"KIND|FORMAT|XXXX|\*")


def name_of(path):
    return str(path.relative_to(ROOT))


def markdown_of(path):
    """The text of a page, or of the Markdown cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] != "code"]
    return "\n\n".join(texts)


@functools.cache
def documents():
    """All Markdown files and notebooks under version control, or about to be."""
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md", "*.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = found.stdout.split()
    paths = [ROOT / name for name in names]
    # Without git, as in an archive of the sources.
    paths = paths or [*PAGES, ROOT / "CHANGELOG.md", *ROOT.glob("notebooks/*.ipynb")]
    return [path for path in paths if path.exists()]


def code_and_prose(text):
    """The lines of code blocks, indented by 4 or fenced, and the text without them."""
    code, prose = [], []
    is_fenced = in_block = False
    last = ""
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced:
            code.append(line)
        else:
            # An indented block begins after an empty line. In a list it would be text,
            # but no page has commands there.
            in_block = line.startswith("    ") and (in_block or not last.strip())
            (code if in_block else prose).append(line)
        last = line
    return code, "\n".join(prose)


def slug(heading):
    """The anchor that GitHub gives a heading."""
    heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


@functools.cache
def anchors(path):
    _, prose = code_and_prose(markdown_of(path))
    found = []
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        anchor = slug(heading)
        repeated = found.count(anchor)
        found.append(f"{anchor}-{repeated}" if repeated else anchor)
    return set(found)


def links(path):
    _, prose = code_and_prose(markdown_of(path))
    found = re.findall(r"\[[^]]*\]\(([^)\s]+)\)", prose)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def broken_links(path):
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{link}: there is no such heading"


def test_links_and_anchors_point_at_something():
    broken = [
        f"{name_of(path)}: {problem}"
        for path in documents()
        for problem in broken_links(path)
    ]
    assert not broken, "\n".join(broken)


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A & b: `c`\n[x](#a--b-c) [x](#d) [x](no.md) [x](https://e.org)\n"
    )
    assert [problem.split(":")[0] for problem in broken_links(page)] == ["#d", "no.md"]


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES_OF_README


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_short_and_begins_with_its_title(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1] == "" and lines[2] and not lines[2].startswith(" ")
    assert len(lines) <= MAX_LINES_OF_A_PAGE


def test_the_index_names_every_page():
    linked = {(INDEX.parent / link).resolve() for link in links(INDEX)}
    assert set((ROOT / "docs").glob("*.md")) - linked == {INDEX}


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def file_of(module):
    """The file of a module of this project; None if there is none."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__main__.py", base / "__init__.py"):
        if path.exists():
            return path
    return None


@functools.cache
def fields_of(path, name):
    """The fields of a dataclass that a file defines or imports, inherited ones too."""
    owner, _, attribute = name.partition(".")
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            inherited = (fields_of(path, ast.unparse(base)) for base in node.bases)
            own = {
                line.target.id
                for line in node.body
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            }
            return own.union(*inherited)
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if owner == (alias.asname or alias.name):
                if attribute:
                    return fields_of(file_of(f"{node.module}.{owner}"), attribute)
                return fields_of(file_of(node.module), alias.name)
    raise AssertionError(f"{path} does not say what {name} is")


@functools.cache
def options_of(module):
    """The names of the options of a program; None for one without."""
    path = file_of(module)
    found = re.search(r"^    cli\.run\((\w+),", path.read_text(), re.MULTILINE)
    return fields_of(path, found[1]) if found else None


def module_of(program):
    """The module of `python -m MODULE`, or of `bert-tf VERB`."""
    if program.startswith("bert-tf "):
        verb = program.removeprefix("bert-tf ")
        packages = ("bert_tf", "data_pipelines")
        modules = [f"{package}.{verb}" for package in packages]
        return next(filter(file_of, modules), f"bert_tf.{verb}")
    return program.split()[-1]


def commands(path):
    """The programs of a page's code blocks, with the names of their options."""
    code, _ = code_and_prose(markdown_of(path))
    text = re.sub(r"\\\n", " ", "\n".join(code))
    for line in text.split("\n"):
        for part in re.split(r"\||&&|#(?= )", line):
            found = re.search(r"(?:python3? -m|\bbert-tf) ([\w.]+)", part)
            if found:
                options = re.findall(r"\s--([a-z_]\w*)", part[found.end() :])
                yield module_of(found[0]), options


def is_option(name, options):
    return name in options or name.removeprefix("no") in options


def stale(path):
    for module, named in commands(path):
        ours = module.split(".")[0] in ("bert_tf", "data_pipelines", "benchmarks")
        if not ours:
            continue
        if file_of(module) is None:
            yield f"{module}: there is no such program"
            continue
        options = options_of(module) or set()
        for name in named:
            if name not in ("help", "verbosity") and not is_option(name, options):
                yield f"{module} has no option --{name}"


def test_commands_are_programs_with_these_options():
    found = [f"{name_of(path)}: {each}" for path in documents() for each in stale(path)]
    assert not found, "\n".join(found)
    assert len([each for path in PAGES for each in commands(path)]) > 80


def test_stale_commands_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n    $ cat a | python -m bert_tf.predict --top_k=3 \\\n"
        "          --no_such=1 | head --lines=2\n\n```\nbert-tf pretrain --seed=1 --x\n"
        "python -m bert_tf.no_such --a\nbert-tf corrupt_text --max_pairs=3\n```\n"
    )
    assert list(stale(page)) == [
        "bert_tf.predict has no option --no_such",
        "bert_tf.pretrain has no option --x",
        "bert_tf.no_such: there is no such program",
    ]


@functools.cache
def all_options():
    found = set(FOREIGN_OPTIONS)
    for package in ("bert_tf", "data_pipelines", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= options_of(module) or set()
    return found


def inline_code(path):
    _, prose = code_and_prose(markdown_of(path))
    return re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_in_the_text_exist(page):
    named = {
        name
        for code in inline_code(page)
        if not code.startswith("pip ")
        for name in re.findall(r"(?:^|[\s,])--([a-z_]\w*)", code)
    }
    unknown = {name for name in named if not is_option(name, all_options())}
    assert not unknown


def alternatives(word):
    """`datasets/{sources,own_files}.py` as two names."""
    head, *rest = re.split(r"[{}]", word)
    return [head + name + rest[1] for name in rest[0].split(",")] if rest else [word]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_exist(page):
    code, _ = code_and_prose(markdown_of(page))
    folders = "bert_tf|data_pipelines|tests|docs|benchmarks|notebooks"
    names = rf"(?:(?:{folders})/|requirements)[\w./{{}},*-]+"
    words = [*inline_code(page), *" ".join(code).split()]
    missing = [
        name
        for word in words
        if re.fullmatch(names, word) and not NO_FILES.search(word)
        for name in alternatives(word)
        if not (ROOT / name).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_a_page_names_exist(page):
    packages = "bert_tf|data_pipelines|benchmarks"
    missing = []
    for code in inline_code(page):
        for name in re.findall(rf"\b(?:{packages})(?:\.\w+)+", code):
            module, _, attribute = name.rpartition(".")
            owners = file_of(module), file_of(f"{module}.__init__")
            is_attribute = any(o and attribute in o.read_text() for o in owners)
            if file_of(name) is None and not is_attribute:
                missing.append(name)
    assert not missing


def test_shell_commands_can_be_parsed():
    # An unclosed quote or a backslash at the wrong place breaks a copied command.
    for path in PAGES:
        code, _ = code_and_prose(markdown_of(path))
        text = re.sub(r"\\\n", " ", "\n".join(code))
        for line in text.split("\n"):
            command = line.strip().removeprefix("$ ")
            if "python -m" in command and not command.endswith("..."):
                shlex.split(command, comments=True)
