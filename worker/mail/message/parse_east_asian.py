"""East Asian charsets by the WHATWG encoding standard, whose tables are larger than those of Python."""

from __future__ import annotations

import codecs
import io
import re

REPLACEMENT = "\ufffd"

# Characters of the standard's index-big5.txt that the codec big5hkscs lacks, by their two octets.
_BIG5_RUN = (  # from 87 7A; the trailing octets skip 7F to A0
    "㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏"
    "䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋"
)
_BIG5_SINGLE = (
    "8e69箸8e6f簆8e7e糎8eab緒8eb4縝8ecd者8ed0耨8f57菁8f69蒨8f6e萏8fcb覦8fcc覩"
    "8ffe起906d都907a銹90dc靜90f1響91bf鼖9244蔃92af兙92b0兛92b1兝92b2兞92c8鍮"
    "92d1瑹9447浧94ca禛95d9邗9644靝96ed瀞96fc嬨9b76爁9b78矗9b7b纇9bc6駖9bde釔"
    "9bec惞9bf6澶9c42輶9c53侻9c62營9c68鄄9c6b鷰9c77菏9cbc尐9cbd秣9cd0婧9d57輋"
    "9d5a筑9dc4拐9ea9恢9eef痹9efd汊9f60鬮9f66鼗9fcb僭9fd8弌a063蠏a077拎a0d5瑨"
    "a0df煢a0e4牐c6cf廴c6d3无c6d5癶c6d7隶c6de〃c6df仝fa5f倩fa66偽fabd包fac5卄"
    "fad5卿fb48嘅fbb8婷fbf3幵fbf9廐fc4f彘fc6c悤fcb9撐fce2晴fcf1杞fdb7沜fdb8渝"
    "fdbb港fdf1煮fe52猪fe6f瑜feaa瓩fedd砉"
)
_BIG5_TRAILS = (*range(0x7A, 0x7F), *range(0xA1, 0xE0))
_BIG5 = {
    **{bytes((0x87, trace)): character for trace, character in zip(_BIG5_TRAILS, _BIG5_RUN, strict=True)},
    **{bytes((0xA3, 0xC0 + n)): chr(0x2400 + n) for n in range(32)},  # symbols for control characters
    b"\xa3\xe0": "\u2421",
    b"\xa3\xe1": "\u20ac",
    **{bytes.fromhex(pair): character for pair, character in re.findall(r"(\w{4})(.)", _BIG5_SINGLE)},
}
# What the codecs and the standard say differently; in no codec two octet pairs give the same left side.
_BIG5_CHANGED = {
    "\u2022": "\u2027",
    "\uff64": "\ufe51",
    "\u203e": "\u00af",
    "\u223c": "\uff5e",
    "\u2641": "\u2295",
    "\u2609": "\u2299",
    "\u00a5": "\uffe5",
    "\u00a2": "\uffe0",
    "\u00a3": "\uffe1",
}
# The codec takes these for the full-width strokes A1 FE and A2 40.
_BIG5_STROKES = {b"\xa2A": "\u2215", b"\xa2B": "\ufe68"}
_BIG5_PAIR = re.compile(rb"[\x81-\xfe][@-~\x80-\xfe]")
# Octets that are no characters.
_SHIFT_JIS_CHANGED = dict.fromkeys("\uf8f0\uf8f1\uf8f2\uf8f3", REPLACEMENT)
_EUC_JP_CHANGED = {
    "\u301c": "\uff5e",
    "\u2016": "\u2225",
    "\u2212": "\uff0d",
    "\u00a2": "\uffe0",
    "\u00a3": "\uffe1",
    "\u00ac": "\uffe2",
}
_GB18030_CHANGED = dict(
    zip(
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795"
        "\ue796\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18"
        "\ufe19\u1e3f\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
        strict=True,
    )
)

# Escape sequences of ISO-2022-JP; a line break returns to ASCII too (RFC 1468).
_ESCAPE = re.compile(rb"\x1b(?:\([BHIJ]|\$[@B]|\$\([@BD])|\n")
HAS_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\$\([@BD]|\([IJ])")
_TO_EUC = bytes(octet | 0x80 if 0x21 <= octet <= 0x7E else octet for octet in range(256))  # noqa: PLR2004 - 94 rows
_KATAKANA = "".join(
    [*map(chr, range(0x21)), *map(chr, range(0xFF61, 0xFFA0)), *[REPLACEMENT] * (256 - 0x60)],
)


def decode_big5(data: bytes) -> str:
    """Decode Big5 with the extensions of Microsoft, ETEN and Hong Kong."""
    texts, start = [], 0
    pairs = _BIG5_PAIR.finditer(data) if any(pair in data for pair in _BIG5_STROKES) else ()
    for pair in pairs:
        if stroke := _BIG5_STROKES.get(pair[0]):
            texts += [data[start : pair.start()].decode("big5hkscs", "worker_big5"), stroke]
            start = pair.end()
    texts.append(data[start:].decode("big5hkscs", "worker_big5"))
    return _change("".join(texts), _BIG5_CHANGED)


def decode_euc_jp(data: bytes) -> str:
    """Decode EUC-JP with NEC row 13 and IBM's characters."""
    data = data.replace(b"\x8f\xa2\xb7", b"\xa1\xc1")  # the codec takes it for an ASCII tilde
    return _change(data.decode("euc_jp", "worker_euc_jp"), _EUC_JP_CHANGED)


def decode_shift_jis(data: bytes) -> str:
    """Decode Shift_JIS with the extensions of Microsoft."""
    return _change(data.decode("cp932", "replace"), _SHIFT_JIS_CHANGED)


def decode_gb18030(data: bytes) -> str:
    """Decode GB 18030, and with it GBK and GB 2312."""
    return _change(data.decode("gb18030", "worker_gb18030"), _GB18030_CHANGED)


def decode_iso_2022_jp(data: bytes) -> str:
    """Decode ISO-2022-JP with NEC row 13, half-width kana and JIS X 0212."""
    text = io.StringIO(newline="")
    state, position = b"\x1b(B", 0
    for escape in _ESCAPE.finditer(data):
        text.write(_decode_state(data[position : escape.start()], state))
        position = escape.end()
        is_break = escape[0] == b"\n"
        state = b"\x1b(B" if is_break else escape[0]
        if is_break:
            text.write("\n")
    text.write(_decode_state(data[position:], state))
    return text.getvalue()


def _decode_state(data: bytes, state: bytes) -> str:
    if not data:
        return ""
    if state == b"\x1b(I":
        return codecs.charmap_decode(data, "strict", _KATAKANA)[0]
    if state == b"\x1b(J":
        return data.decode("ascii", "replace").replace("\\", "\u00a5").replace("~", "\u203e")
    if state.startswith(b"\x1b("):
        return data.decode("ascii", "replace")
    octets = data.translate(_TO_EUC)
    return decode_euc_jp(_with_shift(octets) if state == b"\x1b$(D" else octets)


def _with_shift(pairs: bytes) -> bytes:
    """Put the octet before each pair that says JIS X 0212 in EUC-JP."""
    count = len(pairs) // 2
    octets = bytearray(b"\x8f" * (count * 3))
    octets[1::3] = pairs[0 : count * 2 : 2]
    octets[2::3] = pairs[1 : count * 2 : 2]
    return bytes(octets)


def _change(text: str, changes: dict[str, str]) -> str:
    if not text.isascii():
        for character, other in changes.items():
            if character in text:
                text = text.replace(character, other)
    return text


def _pair_at(error: UnicodeError) -> tuple[bytes, int]:
    """Return the two octets at which a codec stopped, and the next offset. No ASCII octet is skipped."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - the codecs raise no other
    pair = error.object[error.start : error.start + 2]
    is_pair = len(pair) == 2 and 0x80 < pair[0] < 0xFF and pair[1] > 0x7F  # noqa: PLR2004 - of octets
    return pair, error.start + (2 if is_pair else 1)


def _replace_big5(error: UnicodeError) -> tuple[str, int]:
    pair, position = _pair_at(error)
    character = _BIG5.get(pair)
    return (character, position + (pair[1] < 0x80)) if character else (REPLACEMENT, position)  # noqa: PLR2004


def _replace_euc_jp(error: UnicodeError) -> tuple[str, int]:
    """Find the pair in Microsoft's Shift_JIS, where it stands at the same row and cell."""
    pair, position = _pair_at(error)
    if len(pair) < 2 or min(pair) < 0xA1 or max(pair) > 0xFE:  # noqa: PLR2004 - of octets
        return REPLACEMENT, position
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead, trace = row // 2 + 0x81, cell + 0x9F
    if row % 2 == 0:
        trace = cell + 0x40 + (cell >= 0x3F)  # noqa: PLR2004 - 7F is left out
    shift_jis = bytes((lead if lead < 0xA0 else lead + 0x40, trace))  # noqa: PLR2004 - the kana's octets
    text = shift_jis.decode("cp932", "replace")
    return text if len(text) == 1 else REPLACEMENT, position


def _replace_gb18030(error: UnicodeError) -> tuple[str, int]:
    pair, position = _pair_at(error)
    return ("\u20ac", position) if pair[:1] == b"\x80" else (REPLACEMENT, position)


codecs.register_error("worker_big5", _replace_big5)
codecs.register_error("worker_euc_jp", _replace_euc_jp)
codecs.register_error("worker_gb18030", _replace_gb18030)
