"""Words for what people are to each other: which mean the same, and which answer each other.

Knows no character and no file.
"""

# Words for the same relative; the first is the one by which findings call them.
KIN: tuple[tuple[str, ...], ...] = (
    ("妈妈", "母亲", "老妈", "老娘", "阿妈", "妈", "娘"),
    ("爸爸", "父亲", "老爸", "老爹", "阿爸", "爸", "爹"),
    ("妻子", "太太", "老婆", "老伴", "媳妇", "爱人"),
    ("丈夫", "老公", "老伴", "亡夫", "先生", "老头子"),
    ("儿子",),
    ("女儿", "闺女", "囡囡", "姑娘"),
    ("哥哥", "哥", "兄长"),
    ("姐姐", "姐"),
    ("弟弟", "弟"),
    ("妹妹", "妹"),
    ("爷爷", "祖父"),
    ("奶奶", "祖母", "阿嬷"),
    ("外公", "姥爷", "外祖父"),
    ("外婆", "姥姥", "外祖母", "好婆"),
    ("孙子",),
    ("孙女",),
)

_ROLES: dict[str, tuple[str, ...]] = {
    "parent": (*KIN[0][:5], *KIN[1][:5]),
    "child": (*KIN[4], *KIN[5][:2]),
    "spouse": (*KIN[2], "丈夫", "老公", "亡夫"),
    "elder": ("哥", "姐姐", "表姐", "堂姐", "姐弟"),
    "younger": ("弟弟", "表弟", "堂弟", "妹"),
    "grandparent": ("爷爷", "祖父", "奶奶", "祖母", "外公", "姥爷", "外婆", "姥姥", "好婆"),
    "grandchild": ("孙",),
    "master": ("师傅", "师父", "导师"),
    "pupil": ("徒弟", "学生"),
    "above": ("上司", "老板", "领导"),
    "below": ("下属", "员工", "实习生"),
    "peer": ("友", "同学", "同事", "同桌", "相识", "熟客", "伙伴", "搭档", "邻居", "网友"),
}
_ANSWERS = {
    "parent": "child", "child": "parent", "spouse": "spouse", "elder": "younger",
    "younger": "elder", "grandparent": "grandchild", "grandchild": "grandparent",
    "master": "pupil", "pupil": "master", "above": "below", "below": "above", "peer": "peer",
}  # fmt: skip
_GENDERS = {
    "female": ("妈", "母", "娘", "妻", "太太", "老婆", "女", "姐", "妹", "奶", "婆", "姥姥"),
    "male": ("爸", "父", "爹", "丈夫", "老公", "儿子", "哥", "弟弟", "表弟", "堂弟", "爷", "外公"),
}


def answer_each_other(relation: str, back: str) -> bool:
    """Whether somebody who is `relation` to me can call me `back`; so too for unknown words."""
    roles, answers = _roles(relation), _roles(back)
    return not (roles and answers) or any(_ANSWERS[role] in answers for role in roles)


def gender_of(relation: str) -> str:
    """The gender that a word for a relative implies, or ""."""
    if not _roles(relation) - {"peer", "master", "pupil", "above", "below"}:
        return ""
    found = [gender for gender, words in _GENDERS.items() if any(one in relation for one in words)]
    return found[0] if len(found) == 1 else ""


def _roles(relation: str) -> set[str]:
    return {role for role, words in _ROLES.items() if any(one in relation for one in words)}
