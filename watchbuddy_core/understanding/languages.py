"""What people, containers and file names call a language."""

from __future__ import annotations

import re

_CODES = frozenset(
    re.findall(
        r"\S+",
        """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu
    hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb
    lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om
    or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw
    ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """,
    )
)
"""ISO 639-1."""

_OTHER_NAMES = {
    "zh": "chi zho cmn chs cht zhs zht sc tc yue chinese mandarin 中文 简体 繁體 繁体 简中 繁中",
    "en": "eng english",
    "ja": "jpn japanese 日本語",
    "ko": "kor korean 한국어",
    "fr": "fre fra french français",
    "de": "ger deu german deutsch",
    "es": "spa spanish español castellano",
    "it": "ita italian italiano",
    "pt": "por portuguese português pb",
    "ru": "rus russian русский",
    "nl": "dut nld dutch nederlands",
    "pl": "pol polish polski",
    "sv": "swe swedish svenska",
    "da": "dan danish dansk",
    "no": "nor nob norwegian norsk",
    "fi": "fin finnish suomi",
    "cs": "cze ces czech čeština",
    "hu": "hun hungarian magyar",
    "tr": "tur turkish türkçe",
    "el": "gre ell greek ελληνικά",
    "he": "heb hebrew iw",
    "ar": "ara arabic العربية",
    "fa": "per fas persian farsi",
    "hi": "hin hindi",
    "th": "tha thai",
    "vi": "vie vietnamese",
    "id": "ind indonesian in",
    "uk": "ukr ukrainian українська",
    "ro": "rum ron romanian",
    "bg": "bul bulgarian",
}
_BY_NAME = {name: code for code, names in _OTHER_NAMES.items() for name in names.split()}


def iso_639_1(tag: str | None) -> str | None:
    """`zh` for `chi`, `zh-Hans`, `zh_CN` or `Chinese`; None for what is no language."""
    first = re.split(r"[-_]", (tag or "").strip().lower())[0]
    return first if first in _CODES else _BY_NAME.get(first)


def language_in(name: str) -> str | None:
    """The language that a part of a file's name speaks of, such as `en.forced` or `Chinese`.

    Where several words could be one, the first counts: `final.en` is English.
    """
    words = re.split(r"[.\s()\[\]&+]+", name)
    return next(filter(None, map(iso_639_1, words)), None)
