"""Write the table of ImageNet's 1,000 labels and their broader terms that the picture model uses.

    python bench/make_labels.py SYNSETS DATA_NOUN > engine/models/data/imagenet_labels.tsv

SYNSETS lists the 1,000 WordNet ids in the order of the network's outputs, one a line (for example
`imagenet_synsets.txt` of the package timm, Apache-2.0); DATA_NOUN is WordNet 3.0's `data.noun`
(Debian package wordnet-base; licence in engine/models/data/WORDNET_LICENSE). ImageNet's ids are
offsets into exactly this edition.

Columns: id, ids of the parents (comma-separated), words (comma-separated). The labels are the
first 1,000 rows, in the order of the network's outputs; the rows after them are all their
broader terms.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

LABELS = 1000


class Synset(NamedTuple):
    """A sense of WordNet: ids of its broader senses, and its words."""

    parents: list[str]
    words: list[str]


def read_nouns(path: Path) -> dict[str, Synset]:
    """Every noun sense by its id ("n" and the offset); the format is in the manual wndb(5)."""
    nouns = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        fields = line.partition("|")[0].split()
        count = int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        parents = [
            "n" + pointers[at + 1]
            for at in range(0, len(pointers), 4)
            if pointers[at] in ("@", "@i")
        ]
        nouns["n" + fields[0]] = Synset(parents, words)
    return nouns


def with_broader_terms(labels: list[str], nouns: dict[str, Synset]) -> list[str]:
    """The labels, then every sense above them, nearest first."""
    ordered = list(dict.fromkeys(labels))
    seen = set(ordered)
    for identity in ordered:  # grows while it is walked
        for parent in nouns[identity].parents:
            if parent not in seen:
                seen.add(parent)
                ordered.append(parent)
    return ordered


def main() -> None:
    """Print the table."""
    synsets, data_noun = (Path(argument) for argument in sys.argv[1:3])
    labels = [line.split()[0] for line in synsets.read_text(encoding="utf-8").splitlines()]
    if len(labels) != LABELS:
        sys.exit(f"{synsets} lists {len(labels)} ids and not {LABELS}")
    nouns = read_nouns(data_noun)
    for identity in with_broader_terms(labels, nouns):
        parents, words = nouns[identity]
        print(identity, ",".join(parents), ", ".join(words), sep="\t")


if __name__ == "__main__":
    main()
