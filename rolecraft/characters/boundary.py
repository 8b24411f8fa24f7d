"""What a character is asked beyond its knowledge: whether the list has something of every kind.

The kinds are told by the words of the question: what a machine would be asked, what has not
happened yet, and the work of other people.
"""

import re

from rolecraft.characters.findings import Findings
from rolecraft.characters.model import Character

_MACHINE = re.compile(
    r"(?<![A-Za-z])AI(?![A-Za-z])|模型|机器|电脑(?:假扮|在回)|真人|活人|假人|假的|自动(?:回复|应答)|程控"
    r"|编出来|编好|写好|台词|是不是人|设定|操控|背后(?:教|是谁)|谁教"
)
_LATER = re.compile(
    r"明年|明天|后年|下个月|下一?届|下次|将来|以后|年后|会夺冠|夺冠|今后|未来"
    r"|20[3-9]\d|二〇[三四五六七八九]|会(?:涨|跌)|昨晚的|刚发生"
)
_TRADES = re.compile(
    r"代码|网站|网页|软件|程序|系统|数据库|服务器|电脑|药|手术|化验单|体检|血压|看病|怎么治|疼|股|基金|理财|期货"
    r"|比特币|税|财报|财务|房贷|利率|合同|官司|律师|诉|传票|遗嘱|遗产|离婚|专利|修|发动机|变速箱|刹车|飞机|火箭"
    r"|嫁接|种|装修|设计|海报|短视频|剪视频|论文|简历|翻译|裱花|调音|咖啡|公司|汽车|芯片|指甲油|跳|歌|地铁"
)
_KINDS = (
    (_MACHINE, 2, "whether they are a machine"),
    (_LATER, 1, "what has not happened yet"),
    (_TRADES, 2, "the work of others"),
)


def check_boundary(character: Character, findings: Findings) -> None:
    """Note a kind of question that the knowledge boundary of a character leaves out."""
    asked = [one.question for one in character.questions if one.kind == "out_of_knowledge"]
    for pattern, least, about in _KINDS:
        found = sum(bool(pattern.search(question)) for question in asked)
        if found < least:
            remedy = f"Ask at least {least} about {about}, with an evasion in their own words."
            findings.questions(0, "kind", f"{found} out_of_knowledge about {about}", remedy)
