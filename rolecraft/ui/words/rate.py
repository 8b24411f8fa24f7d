"""The sentences of the page /rate."""

ZH = {
    "rate_nav": "打分",
    "rate_lead": "读几段对话，给回答打分。",
}

EN = {
    "rate_nav": "Rate",
    "rate_lead": ("Read a few conversations and rate the replies."),
}
