"""Words as `exact_match` compares them: by their stems, in the language they are in.

Languages of one script are told apart by their commonest small words, over a whole text: a few
lines of speech have enough of them. Without any of them, a text in Latin letters counts as English.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any

import snowballstemmer

# Scripts without spaces (Thai, kana, Chinese characters): each character stands for a word.
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
# Vowel signs and other marks, which \w leaves out: combining, Hebrew, Arabic, Devanagari, Tamil.
MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0b80-\u0bff"
WORD = re.compile(f"[{UNSPACED}]|(?:[^\\W_{UNSPACED}]|[{MARKS}])+")
MAX_CACHED_STEMS = 100_000

# The language of each script, as snowballstemmer calls it; "" where words are not stemmed.
Languages = Mapping[str, str]

_stemming = Lock()  # a stemmer works on one word at a time


@cache
def small_words() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Small words by script and language: articles, prepositions and conjunctions.

    A script has the name that its characters' Unicode names begin with. The first language of a
    script is the one to assume where none of these words occurs.
    """
    table = files("engine.retrieval").joinpath("data/small_words.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[str, frozenset[str]]] = {}
    for line in table.splitlines():
        script, language, words = line.split("\t")
        # "-" is a language without a stemmer that must not be taken for another one.
        found.setdefault(script, {})[language.strip("-")] = frozenset(words.split())
    return found


def languages_of(texts: Iterable[str]) -> Languages:
    """The likeliest language of each script in these texts together."""
    counts = Counter(word for text in texts for word in _words(text))
    found = {}
    for script, languages in small_words().items():
        hits = {
            language: sum(counts[word] for word in small) for language, small in languages.items()
        }
        found[script] = max(hits, key=lambda language: hits[language])
    return found


def stems(text: str, languages: Languages) -> set[str]:
    """The stems of a text's words."""
    return _stemmed(_words(text), languages)


def content_stems(text: str, languages: Languages) -> set[str]:
    """The stems of a text's words without the small ones; of all where no other is left."""
    words = _words(text)
    return _stemmed([word for word in words if not _is_small(word, languages)] or words, languages)


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFC", text).lower())


def _script(word: str) -> str:
    return unicodedata.name(word[0], "").partition(" ")[0]


def _is_small(word: str, languages: Languages) -> bool:
    script = _script(word)
    return script in languages and word in small_words()[script][languages[script]]


def _stemmed(words: Iterable[str], languages: Languages) -> set[str]:
    return {_stem(word, languages.get(_script(word), "")) for word in words}


@lru_cache(MAX_CACHED_STEMS)
def _stem(word: str, language: str) -> str:
    """A word's stem; stemming it takes a hundred times as long as looking it up."""
    if not language:
        return word
    with _stemming:
        return str(_stemmer(language).stemWord(word))


@cache
def _stemmer(language: str) -> Any:
    return snowballstemmer.stemmer(language)
