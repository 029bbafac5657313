"""A small corpus that a small model can learn: sentences of a few patterns."""

import pathlib
import random

from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining import write_records as records
from data_pipelines.pretraining.work_units import RecordOptions

ANIMALS = {"cat": "mouse", "dog": "bone", "bird": "worm", "horse": "apple"}
PLACES = ("garden", "kitchen", "barn", "street", "forest", "field")


def story(generator: random.Random) -> str:
    """Four sentences about one animal."""
    animal = generator.choice(sorted(ANIMALS))
    first, second = generator.sample(PLACES, 2)
    return (
        f"The {animal} went from the {first} to the {second}. There the {animal} "
        f"found the {ANIMALS[animal]}. It ate the {ANIMALS[animal]} in the {second}. "
        f"Then the {animal} went back to the {first}.\n"
    )


def write_corpus(folder: pathlib.Path, num_documents: int = 60) -> str:
    """Writes documents of some stories each; gives the pattern of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(0)
    for number in range(num_documents):
        stories = "".join(story(generator) for _ in range(8))
        (folder / f"{number:03d}.txt").write_text(stories)
    return str(folder / "*.txt")


def write_records(folder: pathlib.Path) -> pathlib.Path:
    """Writes the corpus, `vocab.txt` of 100 pieces, and `records`, a fifth held out."""
    text = write_corpus(folder / "text")
    vocabulary = learn_vocabulary(input_files=[text], vocab_size=100, num_processes=1)
    (folder / "vocab.txt").write_bytes(vocabulary.to_bytes())
    records.write_records(
        [text],
        vocabulary,
        str(folder / "records"),
        RecordOptions(holdout_fraction=0.2, num_shards=2),
        num_processes=1,
    )
    return folder
