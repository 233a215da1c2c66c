"""Languages as users write them: ``English``, ``eng``, ``en-US`` and ``EN`` are all ``en``."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

_TAG = re.compile(r"([a-z]{2,3})([-_.@][a-z0-9._@-]*)?")
_CODES = """
cmn=zh arb=ar pes=fa zsm=ms swh=sw ekk=et lvs=lv khk=mn npi=ne ory=or uzn=uz azj=az als=sq nob=nb
"""
"""Unicode's CLDR codes for the main language of a group: `cmn` is the largest part of `zh`."""
_NAMES = """
mandarin=zh cantonese=yue greek=el farsi=fa nynorsk=nn bokmål=nb myanmar=my bangla=bn azeri=az
deutsch=de français=fr francais=fr español=es espanol=es italiano=it português=pt portugues=pt
nederlands=nl polski=pl svenska=sv dansk=da norsk=no suomi=fi türkçe=tr русский=ru українська=uk
中文=zh 日本語=ja 한국어=ko العربية=ar हिन्दी=hi
"""
"""Common names that ISO 639 does not list, and native names of the largest languages."""
_ALIASES: dict[str, str] = dict(re.findall(r"(\S+)=(\S+)", _CODES + _NAMES))
"""Alias in lower case → code."""


@lru_cache(maxsize=4096)
def language_code(written: str) -> str | None:
    """Returns a language's ISO 639-1 code, or its ISO 639-3 code if it has none.

    Args:
        written: an ISO 639 code, a tag such as ``en-US`` or ``zh_Hans_CN``, or an English name.

    Returns:
        The code; None for an empty text or ``und`` (undetermined).

    Raises:
        ValueError: it is none of these; the message suggests the closest.
    """
    text = " ".join(unicodedata.normalize("NFKC", written).casefold().split())
    if text in ("", "und"):
        return None
    tag, plain = _TAG.fullmatch(text), re.sub(r" ?\(.*\)$", "", text)
    code = _ALIASES.get(text) or (_by_code(tag[1]) if tag else None) or _by_name().get(text)
    code = code or _ALIASES.get(plain) or _by_name().get(plain)
    if code is None:
        hint = _hint(text)
        raise ValueError(f"'{written}' is not a language: write its code, such as en or de.{hint}")
    return code


def _hint(text: str) -> str:
    names = [name for name, code in _by_name().items() if len(code) == 2]
    inside = [word for word in re.findall(r"\w+", text) if word in names]
    close = inside or difflib.get_close_matches(text, names, n=1, cutoff=0.75)
    return f" Did you mean {_by_name()[close[0]]} ({close[0].title()})?" if close else ""


Language = Annotated[str, AfterValidator(language_code)]
"""A language in a plugin's options, parsed by `language_code`."""


def _by_code(code: str) -> str | None:
    from iso639 import Lang
    from iso639.exceptions import DeprecatedLanguageValue, InvalidLanguageValue

    if code in _ALIASES:
        return _ALIASES[code]
    try:
        known = Lang(code)
    except DeprecatedLanguageValue as error:  # such as `iw`, today `he`
        kept = code == "jw" or (len(code) == 2 and not error.change_to)  # Whisper's Javanese is jw
        return code if kept else str(error.change_to) or None
    except InvalidLanguageValue:
        return None
    return str(known.pt1 or known.pt3 or known.pt5)


@lru_cache(maxsize=1)
def _by_name() -> dict[str, str]:
    """Returns English name in lower case → code, without names of up to three letters."""
    from iso639 import iter_langs

    return {
        name.casefold(): _ALIASES.get(one.pt3, one.pt1 or one.pt3 or one.pt5)
        for one in iter_langs()
        for name in (*one.other_names(), one.name)
        if len(name) > 3
    }
