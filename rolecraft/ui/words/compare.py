"""The sentences of the page /compare."""

ZH = {
    "compare_nav": "比一比",
    "compare_lead": "两个模型扮同一个人，答同一句话，你来选哪个更像。",
}

EN = {
    "compare_nav": "Compare",
    "compare_lead": (
        "Two models play the same person and answer the same words. You say which one is better."
    ),
}
