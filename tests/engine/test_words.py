"""Words that exact_match compares: the same word in its forms, in the language that it is in."""

from __future__ import annotations

import pytest
import snowballstemmer

from engine.retrieval.words import content_stems, languages_of, small_words, stems

TEXTS = {
    "english": "He was running with the dogs in the park",
    "german": "Die Katzen liegen auf dem Sofa und die Häuser sind alt",
    "spanish": "Los perros corren por el parque con las niñas",
    "french": "Les chevaux mangent dans les prés avec les chiens",
    "russian": "Кошки спали на диване, и собаки лаяли во дворе",
    "turkish": "Kediler ve köpekler için bir bahçe",
    "hindi": "कुत्ते और बिल्लियाँ घर में हैं",
}


@pytest.mark.parametrize(
    ("language", "word"),
    [
        ("english", "run"),
        ("english", "dog"),
        ("german", "Katze"),
        ("german", "Haus"),
        ("spanish", "perro"),
        ("spanish", "niña"),
        ("french", "cheval"),
        ("french", "chien"),
        ("russian", "кошка"),
        ("russian", "собаку"),
        ("turkish", "kedi"),
        ("hindi", "कुत्ता"),
    ],
)
def test_forms_of_a_word_have_one_stem(language: str, word: str) -> None:
    languages = languages_of([TEXTS[language]])
    assert language in languages.values()
    assert stems(word, languages) <= stems(TEXTS[language], languages)


@pytest.mark.parametrize(
    ("text", "words", "missing"),
    [
        ("大きな黒い犬がいます。", "黒い犬", "猫"),
        ("หมาดำ", "หมา", "แมว"),
    ],
)
def test_scripts_without_spaces_are_compared_by_character(
    text: str, words: str, missing: str
) -> None:
    languages = languages_of([text])
    assert stems(words, languages) == set(words)
    assert stems(words, languages) <= stems(text, languages)
    assert not stems(missing, languages) <= stems(text, languages)


def test_each_script_of_a_text_has_its_own_language() -> None:
    languages = languages_of([TEXTS["german"], TEXTS["russian"]])
    assert (languages["LATIN"], languages["CYRILLIC"]) == ("german", "russian")
    assert stems("Katze кошку", languages) == {"katz", "кошк"}


def test_a_text_without_small_words_counts_as_english() -> None:
    languages = languages_of(["Winds tonight", "שלום"])
    assert (languages["LATIN"], languages["HEBREW"]) == ("english", "")
    assert stems("winds שלום", languages) == {"wind", "שלום"}


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (TEXTS["english"], {"he", "was", "run", "dog", "park"}),
        (TEXTS["spanish"], {"perr", "corr", "parqu", "niñ"}),
        ("of the", {"of", "the"}),
        ("", set()),
    ],
)
def test_small_words_do_not_count_where_there_are_others(text: str, content: set[str]) -> None:
    assert content_stems(text, languages_of([text])) == content


def test_composed_and_decomposed_letters_are_the_same() -> None:
    languages = languages_of([TEXTS["spanish"]])
    assert stems("nin\N{COMBINING TILDE}a", languages) == stems("niña", languages)


def test_every_language_of_the_stemmer_is_detected() -> None:
    known = {language for languages in small_words().values() for language in languages}
    variants = {"porter", "dutch_porter"}
    assert known - {""} == set(snowballstemmer.algorithms()) - variants
    for languages in small_words().values():
        for language, words in languages.items():
            assert languages_of([" ".join(words)]).items() >= {
                (script, language) for script, group in small_words().items() if group is languages
            }
