"""A small corpus that a small model can learn: sentences of a few patterns."""

import pathlib
import random

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
