import random
import subprocess
import sys
import tracemalloc

import pytest

from data_pipelines.corpus.chinese_mistakes import Confusions, corrupt_chinese
from data_pipelines.corpus.english_mistakes import corrupt_english
from data_pipelines.corrupt_text import CorruptTextOptions, main, pairs

ENGLISH = "Yesterday he walked to the old house with their dog, and it was quiet there."
CHINESE = "我觉得他们不怕困难，勇于面对。"
CONFUSIONS = Confusions([("我得的", "我的的"), ("他門不柏", "他们不怕")])


def made(function, count=300, **arguments):
    draw = random.Random(0)
    return [function(draw=draw, **arguments) for _ in range(count)]


def test_english_mistakes():
    found = made(corrupt_english, sentence=ENGLISH)
    assert found == made(corrupt_english, sentence=ENGLISH)
    assert len(set(found)) > 200 and found.count(ENGLISH) < 5
    joined = " ".join(found)
    # One of each sort, by a word that it alone makes.
    for mistake in (
        "there dog",
        "walking to",
        "hosue",
        "dogg",
        "to to",
        "to old house",
        "with the old",
        "house old",
        "dog and it",
    ):
        assert mistake in joined, mistake
    # Most words stay, and a capital at the beginning.
    right = [len(set(text.split()) & set(ENGLISH.split())) for text in found]
    assert sum(right) / len(right) > 11
    assert all(text[0].isupper() for text in found)
    assert not any("  " in text or text != text.strip() for text in found)


@pytest.mark.parametrize("sentence", ["", "...", "12 34", "-"])
def test_nothing_to_make_a_mistake_in(sentence):
    assert corrupt_english(sentence, random.Random(0)) == sentence


def test_chinese_mistakes():
    arguments = {"sentence": CHINESE, "confusions": CONFUSIONS, "others": "海山"}
    found = made(corrupt_chinese, **arguments)
    assert found == made(corrupt_chinese, **arguments)
    assert CHINESE not in found
    joined = "".join(found)
    # Real confusions are frequent, others come from the text, signs stay.
    assert joined.count("門") > 50 and joined.count("柏") > 50
    assert "海" in joined and "山" in joined
    assert all(text.count("，") == text.count("。") == 1 for text in found)
    lengths = {len(text) - len(CHINESE) for text in found}
    assert {-1, 0, 1} <= lengths
    same = sum(len(text) == len(CHINESE) for text in found)
    assert same > 0.85 * len(found)
    assert corrupt_chinese("abc", random.Random(0), CONFUSIONS, "海") == "abc"


def test_confusions():
    draw = random.Random(0)
    wrong = {c: w for c in "我的们不怕门" if (w := CONFUSIONS.wrong(c, draw))}
    assert wrong == {"的": "得", "们": "門", "怕": "柏"}
    assert CONFUSIONS.wrong("门", draw) is None
    assert CONFUSIONS.weight("们") == 1 and CONFUSIONS.weight("门") == 0.1
    assert CONFUSIONS.knows("我们不怕") and not CONFUSIONS.knows("我們不怕")
    assert Confusions(()).knows("我們")


def options(tmp_path, **changes):
    text = tmp_path / "text.txt"
    if not text.exists():
        text.write_text("\n".join([ENGLISH, "No.", *[f"It was {ENGLISH}"] * 50]))
    values = {
        "input_files": (str(text),),
        "output_file": str(tmp_path / "pairs.tsv"),
        "language": "english",
    }
    return CorruptTextOptions(**{**values, **changes})


def test_a_table_of_pairs(tmp_path):
    main(options(tmp_path))
    lines = (tmp_path / "pairs.tsv").read_text().splitlines()
    assert lines[0] == "text\tcorrected"
    rows = [line.split("\t") for line in lines[1:]]
    # The short sentence is left out.
    assert len(rows) == 51 and {row[1] for row in rows[1:]} == {f"It was {ENGLISH}"}
    assert 5 < sum(text == corrected for text, corrected in rows) < 30
    with pytest.raises(FileExistsError, match="already"):
        main(options(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.tsv", "text.txt"]
    clean = options(tmp_path, clean_fraction=1.0)
    assert all(text == corrected for text, corrected in pairs(clean))


def test_as_many_of_each_file(tmp_path):
    files = []
    for name in ("abc", "def"):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"The word is {name} in all of these.\n" * 20)
        files.append(str(path))
    some = options(tmp_path, input_files=tuple(files), max_pairs=9)
    found = [corrected for _, corrected in pairs(some)]
    assert [sum(name in text for text in found) for name in ("abc", "def")] == [5, 4]


def test_confusions_are_learned_from_a_table(tmp_path):
    text, real = tmp_path / "zh.txt", tmp_path / "real.tsv"
    text.write_text((CHINESE + "\n") * 30 + "我們不怕困難勇於面對\n")
    real.write_text(f"text\tcorrected\n{CHINESE.replace('怕', '柏')}\t{CHINESE}\n")
    found = list(
        pairs(
            options(
                tmp_path,
                input_files=(str(text),),
                language="chinese",
                confusions_from=str(real),
                clean_fraction=0.0,
            )
        )
    )
    # Other characters than those of the table are another variant of Chinese.
    assert {corrected for _, corrected in found} == {CHINESE}
    assert sum("柏" in text for text, _ in found) > 10


def test_memory_does_not_grow(tmp_path):
    sizes = []
    for count in (200, 1000):
        path = tmp_path / f"{count}.txt"
        # Documents of their own, for paragraphs of one are held together.
        path.write_text(f"{ENGLISH}\n\n" * count)
        made = pairs(
            options(tmp_path, input_files=(str(path),), separator="blank_line")
        )
        next(made)
        tracemalloc.start()
        assert sum(1 for _ in made) == count - 1
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < 1.5 * sizes[0] + 100_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clean_fraction": 1.5}, "clean_fraction=1.5. Expected 0 to 1"),
        ({"confusions_from": "a.tsv"}, "Expected it only for chinese"),
        ({"max_pairs": 0}, "max_pairs=0. Expected numbers above 0"),
        ({"output_file": "a.csv"}, "ends in .tsv"),
    ],
)
def test_wrong_options(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        options(tmp_path, **changes)


def test_a_dataset_of_another_kind(tmp_path):
    other = options(tmp_path, language="chinese", confusions_from="thucnews")
    with pytest.raises(ValueError, match="of the kind classification"):
        next(pairs(other))


@pytest.mark.long
@pytest.mark.slow
def test_the_program(tmp_path):
    chosen = options(tmp_path)
    command = [sys.executable, "-m", "data_pipelines.corrupt_text"]
    command += [f"--input_files={chosen.input_files[0]}", "--language=english"]
    outputs = []
    for seed in (0, 0, 1):
        path = tmp_path / f"{len(outputs)}.tsv"
        done = subprocess.run(
            [*command, f"--output_file={path}", f"--seed={seed}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "51 pairs" in done.stderr
        outputs.append(path.read_bytes())
    assert outputs[0] == outputs[1] != outputs[2]
