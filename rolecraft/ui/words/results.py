"""The sentences of the page /results."""

ZH = {
    "results_nav": "结果",
    "results_lead": "大家打分的结果，带区间，也能查到每一条评分。",
}

EN = {
    "results_nav": "Results",
    "results_lead": ("What the ratings say, with intervals, down to every single one."),
}
