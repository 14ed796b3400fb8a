"""The example pictures of the page (drawn dogs), and the models for which they are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).with_name('page') / 'examples'

# Words, or ends of words, of dogs and their breeds in English: 'golden_retriever', 'n02088094-Afghan_hound'.
DOG = re.compile(
    r'(dogs?|hound|terrier|spaniel|retriever|shepherd|collie|poodle|setter|pointer|spitz|husky|malamute|'
    r'mastiff|corgi|pinscher|schnauzer|griffon|pug|beagle|chihuahua|labrador|rottweiler|doberman|'
    r'pomeranian|samoyed|whippet|basset|dachshund|dalmatian|springer|dane|akita|pekinese|papillon|'
    r'newfoundland|bernard|pyrenees|malinois)$'
)
NO_DOG = {'hot', 'corn', 'prairie'}  # hot_dog, corn dog, prairie dog


def names() -> list[str]:
    """File names of the example pictures, sorted."""
    return sorted(file.name for file in FOLDER.glob('*.jpg'))


def knows_dogs(labels: Sequence[str]) -> bool:
    """Whether at least half of the class names are dogs or dog breeds."""
    return 2 * sum(map(_is_dog, labels)) >= len(labels)


def _is_dog(label: str) -> bool:
    words = re.findall('[a-z]+', label.lower())
    return not NO_DOG & set(words) and any(map(DOG.search, words))
