import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolecraft.privacy import mask


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("打13912345678找我", "打某电话找我"),
        ("打139 1234 5678找我", "打某电话找我"),
        ("打139-1234-5678找我", "打某电话找我"),
        ("打+86 13912345678找我", "打某电话找我"),
        ("打１３９１２３４５６７８找我", "打某电话找我"),
        ("店里电话是021-61234567", "店里电话是某电话"),
        ("店里电话是(0755)61234567。", "店里电话是某电话。"),
        ("幺三九一二三四五六七八", "某电话"),
        ("写信到a.b-c@mail.example.cn吧", "写信到某邮箱吧"),
        ("写信到abc＠mail.example.com吧", "写信到某邮箱吧"),
        ("证号110101199003078515", "证号某证件号"),
        ("证号11010119900307851X。", "证号某证件号。"),
        ("卡号6222 0212 3456 7890 123", "卡号某号码"),
        ("订单195550906097到了吗", "订单某号码到了吗"),
        ("我QQ123456789", "我QQ某账号"),
        ("微信号：lao_wang-88", "微信号某账号"),
        ("车是沪A·12345", "车是某车牌"),
        ("我住在上海市长宁区云溪路128号3栋502室", "我住在某地址"),
        ("寄到幸福街12号楼下", "寄到某地址楼下"),
    ],
)
def test_personal_data_are_masked(text: str, clean: str) -> None:
    found, kinds = mask(text)
    assert found == clean
    assert kinds
    assert mask(found) == (clean, ())


@pytest.mark.parametrize(
    "text",
    [
        "2026年3月1日12:30开会",
        "圆周率是3.14159265358979323846",
        "一共12345678元",
        "路上有3号线",
        "1990 1995 2000 2005年",
        "走了三条路，十五个人",
        "我要(快乐)一点",
        "他在@小王",
        "第12号选手",
    ],
)
def test_ordinary_numbers_stay(text: str) -> None:
    assert mask(text) == (text, ())


@given(st.text(max_size=40), st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(max_size=40))
def test_no_telephone_survives(before: str, number: str, after: str) -> None:
    clean, _ = mask(f"{before} {number} {after}")
    assert number not in clean
    assert mask(clean)[0] == clean
