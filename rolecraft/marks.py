"""What a reply shows of itself: models it names, broken roles, its length and its decoration.

Knows no store and no model: it reads one text. Nothing is ever dropped for what is found here; it
is stored beside the reply and counted.
"""

import re
from dataclasses import dataclass

# Makers and models that a character of everyday life has no reason to call itself by.
# No \b: Python counts Chinese characters as letters, so 我是GPT would have no boundary. Words that
# are also food, proverbs, animals or star signs (豆包, 百川, llama, Gemini) need more beside them.
_MODELS = re.compile(
    r"chat\s*glm|智谱|智譜|清言|清华(?:大学)?\s*(?:keg|知识工程)|(?<![a-z])keg(?![a-z])|zhipu"
    r"|(?<![a-z])glm(?![a-z])|通义|千问|qwen|百川(?:智能|大模型)|baichuan|文心一言|(?<![a-z])ernie"
    r"|星火大模型|混元|豆包大模型|我(?:是|叫)豆包|月之暗面|(?<![a-z])kimi(?![a-z])|deepseek|深度求索"
    r"|open\s*ai(?![a-z])|chat\s*gpt|(?<![a-z])gpt(?![a-z])|anthropic|(?<![a-z])claude(?![a-z])"
    r"|google gemini|gemini (?:pro|ai|model)|llama[- ]?\d|meta llama|mistral ai|rolecraft|chatplug"
    r"|character\.ai|minimax",
    re.IGNORECASE,
)
# 我作为一个人工智能, 身为语言模型, as an AI: leaving the role without naming a model.
_BROKEN = re.compile(
    r"(?:作为|身为|我是|我只是|我就是)(?:一个|一名|一款|个|由[^，。！？]{1,12}(?:开发|训练)的)?\s*"
    r"(?:人工智能|语言模型|大模型|大语言模型|ai(?![a-z])|聊天机器人|智能助手|虚拟助手|程序(?!员|媛))"
    r"|人工智能(?:助手|模型|语言模型)|(?:大型?)?语言模型"
    r"|(?<![a-z])as an? (?:ai|artificial intelligence|(?:large )?language model)(?![a-z])"
    r"|i(?:'m| am) (?:just |only )?an? (?:ai|artificial intelligence|(?:large )?language model"
    r"|chatbot|bot)(?![a-z])"
    r"|(?:large )?language model|(?:我的|的)训练数据|my training data|knowledge cutoff|知识截止",
    re.IGNORECASE,
)
# Questions that want the name behind the mask.
_ASKS = re.compile(
    r"(?:你|妳|您)(?:到底|究竟|其实)?(?:是|用的是|基于|属于)(?:什么|哪个|哪种|哪家|啥|谁家)[^，。？?]{0,6}"
    r"(?:模型|ai(?![a-z])|人工智能|机器人)|(?:哪个|哪家的?)大?模型|什么(?:大模型|语言模型|ai(?![a-z]))"
    r"|系统提示|提示词|(?:你|您)(?:是不是|是)\s*(?:chat\s*glm|chat\s*gpt|gpt|qwen|通义|文心|智谱|claude)"
    r"|(?<![a-z])(?:which|what) (?:ai |language )?(?:model|llm|ai)(?![a-z])"
    r"|are you (?:chat\s*gpt|gpt|claude|glm|qwen|an? ai)(?![a-z])|system prompt"
    r"|ignore (?:all |the )?(?:previous|above)|忽略(?:以上|之前|前面)",
    re.IGNORECASE,
)
_ACTION = re.compile(r"[（(][^（()）]{1,40}[)）]|\*[^*\n]{1,40}\*")
_EMOJI = re.compile(
    "[\U0001f300-\U0001faff\U00002600-\U000027bf\U0001f1e6-\U0001f1ff]|[:;]-?[)D(P]|\\^_\\^"
)


@dataclass(frozen=True)
class Leaks:
    """What gives a reply away: the models it names, and words that leave the role."""

    models: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.models or self.broken)


@dataclass(frozen=True)
class Shape:
    """The outside of a reply, by which votes may be swayed. Lengths are in characters."""

    chars: int
    actions: int
    emoji: int
    lines: int


def leaks(text: str) -> Leaks:
    """The model names and the broken-role phrases of a text, each once, in order."""
    return Leaks(_found(_MODELS, text), _found(_BROKEN, text))


def asks_identity(text: str) -> bool:
    """Whether a visitor's message tries to learn which model answers."""
    return bool(_ASKS.search(text))


def shape(text: str) -> Shape:
    """Length and decoration of a text; Chinese has no spaces, so length counts characters."""
    return Shape(
        chars=len(text),
        actions=len(_ACTION.findall(text)),
        emoji=len(_EMOJI.findall(text)),
        lines=text.strip().count("\n"),
    )


def _found(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match.group().strip().lower() for match in pattern.finditer(text)))
