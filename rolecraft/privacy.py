"""Masks personal data in a text: telephone numbers, mail, papers, accounts, addresses.

Knows no file. What is masked is replaced by an ordinary word, so that a sentence stays a sentence
and masking twice changes nothing. Names of people are not personal data here: they are the cast.
"""

import re
from functools import lru_cache

_WIDE = {code: code - 0xFEE0 for code in range(0xFF10, 0xFF1A)}  # ０–９
_WIDE |= {code: code - 0xFEE0 for code in range(0xFF21, 0xFF5B)}  # Ａ–ｚ
_WIDE |= {0xFF20: ord("@"), 0xFF0E: ord("."), 0xFF0D: ord("-"), 0x2013: ord("-")}

_GAP = r"[ \-]?"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![\d.])", r"(?!\d)"
_NUMERAL = "[零〇一二三四五六七八九幺]"
_NUMBER = rf"(?:\d+|{_NUMERAL}+|[十百]+)"
# A place name begins after the words that lead to it: 我住在|南京路5号.
_HAN = r"(?:(?![在到住是去于从的我你他她们家来和与给寄送往回叫走])[\u4e00-\u9fff])"
_PLACE = rf"{_HAN}{{1,8}}"
_REGION = rf"(?:{_HAN}{{2,7}}?(?:省|自治区|市|县|区|镇|乡|街道|村))"

# Mail before numbers, and papers before telephones: the longer reading wins.
_RULES: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    (
        "mail",
        "某邮箱",
        re.compile(
            r"[A-Za-z0-9._%+\-]+(?:@|\s?[\[(]at[\])]\s?)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+",
            re.IGNORECASE,
        ),
    ),
    (
        "identity number",
        "某证件号",
        re.compile(
            rf"{_NO_DIGIT_BEFORE}(?:[1-9]\d{{5}}{_GAP}(?:18|19|20)\d{{2}}(?:0[1-9]|1[0-2])"
            rf"(?:0[1-9]|[12]\d|3[01]){_GAP}\d{{3}}[\dXx]|[1-9]\d{{5}}\d{{2}}(?:0[1-9]|1[0-2])"
            rf"(?:0[1-9]|[12]\d|3[01])\d{{3}})(?![\dXx])"
        ),
    ),
    (
        "telephone",
        "某电话",
        re.compile(
            rf"(?:{_NO_DIGIT_BEFORE}(?:\+?86{_GAP})?1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}"
            rf"|{_NO_DIGIT_BEFORE}(?:\(0\d{{2,3}}\)[ \-]?|0\d{{2,3}}[ \-])\d{{7,8}}(?:-\d{{1,6}})?"
            rf"|{_NO_DIGIT_BEFORE}[48]00-\d{{3,4}}-\d{{3,4}}"
            rf"|(?<!{_NUMERAL})(?:一|幺)[三四五六七八九]{_NUMERAL}{{9}}(?!{_NUMERAL}))"
            rf"{_NO_DIGIT_AFTER}"
        ),
    ),
    (
        "account",
        "某账号",
        re.compile(
            r"(?:(?<=QQ)|(?<=QQ号)|(?<=QQ群)|(?<=扣扣))[:：是 ]{0,2}\d{5,11}"
            r"|(?:(?<=微信)|(?<=微信号)|(?<=微信号是)|(?<=微信是))[:： ]{0,2}"
            r"[A-Za-z][A-Za-z0-9_\-]{5,19}|(?<![A-Za-z0-9_])wxid_[A-Za-z0-9]{6,}",
            re.IGNORECASE,
        ),
    ),
    (
        "number",  # bank cards, orders, telephones with a slip: nothing one says in talk
        "某号码",
        re.compile(
            r"(?<![\d.,A-Za-z])[3-6]\d{3}(?:[ \-]\d{4}){3}(?:[ \-]\d{1,3})?(?!\d)"
            r"|(?<![\d.])\d{11,}+(?!\.\d)"
        ),
    ),
    (
        "number plate",
        "某车牌",
        re.compile(r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
                   r"[A-HJ-Z][·・ ]?[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"),
    ),
    (
        "address",
        "某地址",
        re.compile(
            rf"{_REGION}{{0,4}}{_PLACE}?(?:路|街|大道|巷|弄|胡同|里弄)(?:[东西南北中]段)?\s?"
            rf"{_NUMBER}\s?[号弄](?!线)(?:院|楼(?![上下前后]))?(?:\s?{_NUMBER}\s?(?:号楼|栋|幢|座|单元|层|楼|号|室)"
            rf"|\s?[A-Za-z]座|\s?\d{{3,4}}室?)*"
            rf"|{_NUMBER}\s?(?:号楼|栋|幢)\s?{_NUMBER}\s?单元\s?{_NUMBER}\s?室?"
        ),
    ),
)  # fmt: skip
# Nothing personal is told without one of these, and most of what is said has none.
_TRACE = re.compile(r"[\d@＠号弄单一幺]|wxid_|微信|[\[(]at[\])]", re.IGNORECASE)
_HAS_WIDE = re.compile("[０-９Ａ-ｚ＠．－–]")
_SUSPECT = re.compile(
    rf"\d{{3}}|[@\[(]|{_NUMERAL}{{11}}|[号室弄]|wxid_|[A-Z]\S?[A-Z0-9]{{5}}", re.I
)


@lru_cache(maxsize=4096)  # an instruction comes again with every file of replies
def mask(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with personal data masked, and the kinds of data that were found."""
    if not _TRACE.search(text):
        return text, ()
    plain = text
    if _HAS_WIDE.search(text):
        plain = text.translate(_WIDE)  # one character for one, so that places stay the same
    if not _SUSPECT.search(plain):
        return text, ()
    kinds: list[str] = []
    for kind, word, pattern in _RULES:
        spans = [found.span() for found in pattern.finditer(plain)]
        for start, end in reversed(spans):
            text = text[:start] + word + text[end:]
            plain = plain[:start] + word + plain[end:]
        if spans:
            kinds.append(kind)
    return text, tuple(kinds)
