"""The sentences of the page /cast."""

ZH = {
    "cast_nav": "角色群像",
    "cast_lead": "这些角色都是谁，他们的情绪、性格和话题。",
}

EN = {
    "cast_nav": "About the cast",
    "cast_lead": ("Who the characters are: their feelings, traits and what they are asked."),
}
