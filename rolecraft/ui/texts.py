"""Every sentence of the page in Chinese and in English, and which of the two a visitor reads.

Knows no component. Both languages have the same keys; a test compares them.
"""

import re
from collections.abc import Mapping
from typing import Literal

from rolecraft.ui.words import cast, compare, rate, results

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

ZH = {
    "title": "RoleCraft 角色工坊",
    "brand_line": "和有脾气的普通人聊聊天",
    "headline": "今天想和谁聊聊？",
    "lead": "他们都是普通人：有家要顾，有脾气，也有说不出口的事。挑一个，坐下来说说话。",
    "search": "搜名字、职业、城市、性格……",
    "age": "年龄",
    "mood": "常有的心情",
    "trait": "性格",
    "all": "全部",
    "more_traits": "更多性格",
    "child": "孩子",
    "teen": "少年",
    "young": "青年",
    "middle": "中年",
    "elder": "长辈",
    "found": "{count} 位",
    "nobody": "没有这样的人。换个词，或者清掉筛选试试。",
    "clear": "清掉筛选",
    "talk_with": "和{name}聊天",
    "problems": "有 {count} 个角色文件夹读不出来，已跳过；详情见服务器日志。",
    "back": "返回选人",
    "menu": "我的对话与设置",
    "close": "关闭",
    "my_talks": "我的对话",
    "new_talk": "找人聊聊",
    "no_talks": "还没有对话。",
    "rename": "改名",
    "delete": "删除",
    "export_json": "导出 JSON",
    "export_md": "导出 Markdown",
    "more": "更多",
    "save": "保存",
    "cancel": "取消",
    "really_delete": "删掉就找不回来了。",
    "new_title": "新的名字",
    "kept_note": "对话存在这台服务器上，只有这个浏览器打得开。",
    "settings": "设置",
    "engine": "由谁来演",
    "engine_default": "默认",
    "not_here": "这里用不了",
    "needs": "需要",
    "licence": "许可",
    "sampling": "说话的随性程度",
    "preset_own": "推荐",
    "preset_paper": "论文",
    "preset_calm": "稳",
    "preset_lively": "活",
    "preset_custom": "自定",
    "about_own": "按这个模型最合适的参数。",
    "about_paper": "论文用的参数：温度 0.95，top-p 0.7。",
    "about_calm": "温度 0.4，top-p 0.6：更稳，更贴资料。",
    "about_lively": "温度 1.15，top-p 0.9：更活，也更容易跑题。",
    "about_custom": "自己调。",
    "temperature": "温度",
    "top_p": "top-p",
    "max_new_tokens": "最长回答（词元）",
    "seed": "随机种子",
    "seed_hint": "留空则每次不同",
    "emotion": "指定情绪",
    "emotion_free": "由角色自己决定",
    "passages_on": "回答前先查角色资料",
    "machine_note": "演他们的是机器，不是真人。",
    "mini_note": "眼下是随项目附带的小模型，只是真模型的样品：懂得少，常会跑题或答错。",
    "log": "对话",
    "composer": "给{name}写点什么",
    "composer_plain": "写点什么",
    "send": "发送",
    "stop": "停下",
    "send_hint": "Enter 发送，Shift+Enter 换行",
    "you": "你",
    "thinking": "{name}正在想……",
    "again": "换一个回答",
    "retry": "再试一次",
    "edit": "修改",
    "edit_save": "改好了，重新问",
    "edit_note": "原来的那一支会留着，用 ‹ › 可以翻回去。",
    "copy": "复制",
    "copied": "已复制",
    "why": "为什么这样回答",
    "older": "上一个版本",
    "newer": "下一个版本",
    "version": "第 {position} 个版本，共 {alternatives} 个",
    "user_stop": "已停下",
    "disconnect": "连接中断",
    "error": "出错了",
    "length": "到了长度上限",
    "unkept": "还没存上",
    "unanswered": "还没有回答",
    "still_answering": "正在另一处回答，稍后刷新就能看到。",
    "empty_reply": "（什么也没说出来）",
    "another_greeting": "换个开场",
    "starters": "可以这样开头",
    "gone_character": "这个角色已经不在架上了，对话只能看，不能继续。",
    "care": "请先照顾好自己",
    "why_title": "为什么这样回答",
    "why_passages": "查到的资料",
    "why_no_passages": "没有查资料。",
    "why_used": "已写进提示",
    "why_unused": "没有用上",
    "similarity": "相似度",
    "why_prompt": "交给模型的提示",
    "why_model": "谁在回答",
    "why_numbers": "参数与用时",
    "why_engine": "引擎",
    "why_base": "底座模型",
    "why_adapter": "LoRA",
    "why_none": "无",
    "why_reply_hash": "回答指纹",
    "why_prompt_tokens": "提示词元",
    "why_reply_tokens": "回答词元",
    "why_first": "首个词元",
    "why_total": "总用时",
    "why_finish": "结束方式",
    "finish_stop": "说完了",
    "why_care": "这条回应是写好的，没有问任何模型。",
    "why_repeat": "重复惩罚",
    "why_ngram": "不重复片段",
    "copy_hash": "复制完整指纹",
    "role_system": "系统",
    "role_user": "你",
    "role_assistant": "角色",
    "role_observation": "资料",
    "script": "剧本片段",
    "question": "写好的问答",
    "apology": "抱歉，这边出了点问题（编号 {id}）。对话没有受影响，请再试一次。",
    "notice": "请留意",
    "busy": "上一句还没说完。等一等，或者先按“停下”。",
    "not_yours": "只能修改自己说的话。",
    "no_conversation": "先挑一个人再聊吧。",
    "hidden_engine": "没有名叫“{name}”的引擎。请在设置里另选一个。",
    "bad_setting": "设置里的“{name}”是 {value}，用不了。请在设置里改成允许的值。",
    "title_empty": "名字不能是空的。",
    "title_long": "名字最多 {limit} 个字。",
    "theme": "换成深色或浅色",
    "language": "English",
    "language_label": "Switch to English",
    "skip": "跳到正文",
    "pages": "页面",
    "chat_nav": "聊天",
    "lost": "和服务器断开了。写的话还在，稍后再发一次。",
    "not_kept": (
        "现在存不下东西：数据库正忙，或者磁盘满了（编号 {id}）。写的和说的都还在页面上，稍后再试。"
    ),
    "engine_failed": "说到一半，模型出了问题。对话没有受影响，可以再试一次。",
    "engine_absent": "这个模型现在用不了，请在设置里另选一个。",
    "conversation_gone": "这个对话已经不在了，也许在别处删掉了。从列表里另开一个吧。",
}

EN = {
    "title": "RoleCraft",
    "brand_line": "Talk with ordinary people who have a temper of their own",
    "headline": "Who would you like to talk with today?",
    "lead": (
        "They are ordinary people, with families to look after, tempers, and things they do not "
        "say aloud. Choose one and sit down for a talk. "
    ),
    "search": "Search name, job, city, character…",
    "age": "Age",
    "mood": "Usual mood",
    "trait": "Character",
    "all": "All",
    "more_traits": "More traits",
    "child": "Children",
    "teen": "Teenagers",
    "young": "Young adults",
    "middle": "Middle-aged",
    "elder": "Elders",
    "found": "{count} people",
    "nobody": "Nobody like that. Try another word, or clear the filters.",
    "clear": "Clear filters",
    "talk_with": "Talk with {name}",
    "problems": "{count} character folders could not be read and were left out; see the log.",
    "back": "Back to the people",
    "menu": "My conversations and settings",
    "close": "Close",
    "my_talks": "My conversations",
    "new_talk": "Talk with someone",
    "no_talks": "No conversations yet.",
    "rename": "Rename",
    "delete": "Delete",
    "export_json": "Export JSON",
    "export_md": "Export Markdown",
    "more": "More",
    "save": "Save",
    "cancel": "Cancel",
    "really_delete": "Once deleted, it cannot be brought back.",
    "new_title": "New name",
    "kept_note": "Conversations are kept on this server; only this browser can open them.",
    "settings": "Settings",
    "engine": "Who plays the part",
    "engine_default": "default",
    "not_here": "Not available here",
    "needs": "Needs",
    "licence": "Licence",
    "sampling": "How freely they speak",
    "preset_own": "Suggested",
    "preset_paper": "Paper",
    "preset_calm": "Calm",
    "preset_lively": "Lively",
    "preset_custom": "Custom",
    "about_own": "What suits this model best.",
    "about_paper": "As in the paper: temperature 0.95, top-p 0.7.",
    "about_calm": "Temperature 0.4, top-p 0.6: steadier, closer to the facts.",
    "about_lively": "Temperature 1.15, top-p 0.9: livelier, and strays more easily.",
    "about_custom": "Set them yourself.",
    "temperature": "Temperature",
    "top_p": "Top-p",
    "max_new_tokens": "Longest reply (tokens)",
    "seed": "Random seed",
    "seed_hint": "Empty: different each time",
    "emotion": "Ask for an emotion",
    "emotion_free": "Leave it to the character",
    "passages_on": "Look into the character's notes before answering",
    "machine_note": "A machine plays the characters, not a person. ",
    "mini_note": (
        "This small model is only a sample of the real one: it speaks only Chinese, knows "
        "little, and is often wrong."
    ),
    "log": "Conversation",
    "composer": "Write to {name}",
    "composer_plain": "Write something",
    "send": "Send",
    "stop": "Stop",
    "send_hint": "Enter sends, Shift+Enter starts a new line",
    "you": "You",
    "thinking": "{name} is thinking…",
    "again": "Another answer",
    "retry": "Try again",
    "edit": "Edit",
    "edit_save": "Ask again like this",
    "edit_note": "The earlier branch is kept; ‹ › takes you back to it.",
    "copy": "Copy",
    "copied": "Copied",
    "why": "Why this reply",
    "older": "Earlier version",
    "newer": "Later version",
    "version": "Version {position} of {alternatives}",
    "user_stop": "stopped",
    "disconnect": "connection lost",
    "error": "something went wrong",
    "length": "cut at the length limit",
    "unkept": "not stored yet",
    "unanswered": "not answered yet",
    "still_answering": "Being answered elsewhere; reload in a moment to see it.",
    "empty_reply": "(nothing was said)",
    "another_greeting": "Another opening",
    "starters": "Ways to begin",
    "gone_character": (
        "This character is no longer on the shelf; you can read the talk but not go on with it."
    ),
    "care": "Please look after yourself first",
    "why_title": "Why this reply",
    "why_passages": "What was looked up",
    "why_no_passages": "Nothing was looked up.",
    "why_used": "in the prompt",
    "why_unused": "not used",
    "similarity": "Similarity",
    "why_prompt": "The prompt that the model was given",
    "why_model": "Who answered",
    "why_numbers": "Settings and times",
    "why_engine": "Engine",
    "why_base": "Base model",
    "why_adapter": "LoRA",
    "why_none": "none",
    "why_reply_hash": "Reply hash",
    "why_prompt_tokens": "Prompt tokens",
    "why_reply_tokens": "Reply tokens",
    "why_first": "First token",
    "why_total": "In all",
    "why_finish": "Ended by",
    "finish_stop": "having said all",
    "why_care": "This answer was written beforehand. No model was asked.",
    "why_repeat": "Repetition penalty",
    "why_ngram": "No repeated run of",
    "copy_hash": "Copy the full hash",
    "role_system": "System",
    "role_user": "You",
    "role_assistant": "Character",
    "role_observation": "Notes",
    "script": "scene of the script",
    "question": "written answer",
    "apology": (
        "Sorry, something went wrong here (number {id}). Your conversation is unharmed; "
        "please try again."
    ),
    "notice": "Please note",
    "busy": "The last reply is still being written. Wait a moment, or press Stop first.",
    "not_yours": "You can only edit what you said yourself.",
    "no_conversation": "Choose somebody to talk with first.",
    "hidden_engine": "There is no engine named “{name}”. Choose another one in the settings.",
    "bad_setting": "The setting “{name}” is {value}, which cannot be used. Change it in Settings.",
    "title_empty": "The name is empty. Write at least one character.",
    "title_long": "The name may have at most {limit} characters.",
    "theme": "Switch between dark and light",
    "language": "中文",
    "language_label": "切换到中文",
    "skip": "Skip to the content",
    "pages": "Pages",
    "chat_nav": "Talk",
    "lost": "The server cannot be reached. Your text is still here; send it again in a moment.",
    "not_kept": (
        "Nothing can be stored right now: the database is busy or the disk is full (number {id}). "
        "What was written and said is still on this page; try again in a moment."
    ),
    "engine_failed": (
        "The model broke while it was speaking. Your conversation is unharmed; try again."
    ),
    "engine_absent": "This model cannot be used now. Choose another one in Settings.",
    "conversation_gone": (
        "This conversation is gone; perhaps it was deleted elsewhere. Open another from the list."
    ),
}

for _words in (compare, rate, results, cast):
    ZH |= _words.ZH
    EN |= _words.EN

TEXTS: Mapping[Language, Mapping[str, str]] = {"zh": ZH, "en": EN}

# The traits of the cast in English; one that is not here is shown as the card has it.
TRAITS = {
    "理性": "rational", "敏感": "sensitive", "负责": "responsible", "自嘲": "self-mocking",
    "耐心": "patient", "直率": "frank", "机灵": "quick-witted", "幽默": "humorous",
    "坚韧": "tenacious", "固执": "stubborn", "严谨": "meticulous", "调皮": "mischievous",
    "要强": "ambitious", "细腻": "delicate", "独立": "independent", "爱幻想": "dreamy",
    "热情": "warm", "温柔": "gentle", "浪漫": "romantic", "活泼": "lively", "沉稳": "steady",
    "正直": "upright", "文艺": "artistic", "执着": "persistent", "念旧": "nostalgic",
    "干练": "capable", "好奇": "curious", "善良": "kind", "勤劳": "hard-working",
    "内向": "introverted", "健谈": "talkative", "乐观": "optimistic", "随性": "easy-going",
    "豪爽": "big-hearted", "节俭": "thrifty", "自由": "free-spirited", "腼腆": "shy",
    "精明": "shrewd", "沉静": "quiet", "朴实": "plain", "操心": "fretful", "挑剔": "picky",
    "大方": "generous", "叛逆": "rebellious", "严厉": "strict",
}  # fmt: skip


def say(language: Language, key: str, **values: object) -> str:
    """The sentence of this key; `values` fill its braces."""
    return TEXTS[language][key].format(**values)


def trait_name(trait: str, language: Language) -> str:
    """A trait as this language writes it."""
    return TRAITS.get(trait, trait) if language == "en" else trait


def language_of(query: str | None, accepted: str | None) -> Language:
    """What `?lang=` asks for, else the better liked of the two in Accept-Language, else Chinese."""
    if query in LANGUAGES:
        return query
    best: tuple[float, Language] | None = None
    for part in (accepted or "").split(","):
        name, _, rest = part.strip().partition(";")
        primary = name.strip().lower().split("-")[0]
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", rest)
        liked = float(weight.group(1)) if weight else 1.0
        if primary in LANGUAGES and liked > 0 and (best is None or liked > best[0]):
            best = liked, primary
    if best:
        return best[1]
    return "en" if (accepted or "").strip() not in ("", "*") else "zh"
