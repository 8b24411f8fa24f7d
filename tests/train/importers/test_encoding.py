import pytest

from train.importers.encoding import decode

TEXT = "今天下雨了\n带伞吧\n"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-8-sig"), "UTF-8 with BOM"),
        (TEXT.encode("gb18030"), "GB18030"),
        (TEXT.encode("utf-16"), "UTF-16 LE"),
        (TEXT.replace("\n", "\r\n").encode("gb18030"), "GB18030"),
    ],
)
def test_every_encoding_gives_the_same_text(body: bytes, encoding: str) -> None:
    decoded = decode(body)
    assert (decoded.text, decoded.encoding, decoded.broken) == (TEXT, encoding, frozenset())


def test_rare_characters_of_gb18030_are_read() -> None:
    assert decode("㐀𠮷，𣲷水边".encode("gb18030")).text == "㐀𠮷，𣲷水边"


def test_a_bad_line_does_not_spoil_a_utf8_file() -> None:
    body = "第一行\n".encode() + b"\xff\xfe\xfd\n" + "第三行\n".encode()
    decoded = decode(body)
    assert decoded.encoding == "UTF-8"
    assert decoded.broken == {2}
    assert decoded.text.split("\n")[0::2] == ["第一行", "第三行"]


def test_a_bad_line_does_not_spoil_a_gb18030_file() -> None:
    body = "第一行好\n第二行好\n".encode("gb18030") + b"\xff\xff\n" + "末行".encode("gb18030")
    decoded = decode(body)
    assert (decoded.encoding, decoded.broken) == ("GB18030", {3})
    assert decoded.text.endswith("末行")
