"""The pictures of the data, as plotly figures and PNG bytes; drawn offline from plain numbers.

Knows neither where the numbers come from nor where the pictures go. Fig. 3, 4 and 5 of the paper
are `verb_noun_figure`, `emotion_figure` and `trait_cloud`.
"""

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rolecraft.emotions import BY_ZH
from rolecraft.evaluation.fonts import chinese_font, single_face

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from wordcloud import WordCloud

CLOUD_SIZE = (1200, 640)
_INK = "#1f2933"
_PALETTE = ("#a15c00", "#1f5f99", "#0b7285", "#b42318", "#5b3fa0", "#56691c", "#b8246b", "#7a4a2b")
_FONTS = "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
_WORDS = {
    "emotions": {"zh": "台词里的情感", "en": "Emotions of the scripts"},
    "share": {"zh": "占比", "en": "share of the utterances"},
    "verbs": {"zh": "提问里的动词和宾语", "en": "Verbs of the questions and their objects"},
    "others": {"zh": "其他", "en": "others"},
    "signatures": {"zh": "每个人自己台词里的情感", "en": "Emotions of each character's own lines"},
    "confusions": {"zh": "谁被认成了谁", "en": "Who is taken for whom"},
    "speaker": {"zh": "说话的人", "en": "who spoke"},
    "guess": {"zh": "被认成", "en": "who was named"},
}


class Place(NamedTuple):
    """A word of a cloud: its size, where its line begins, and how wide it is, in pixels."""

    word: str
    size: int
    x: int
    y: int  # of the baseline
    width: int


def emotion_figure(counts: Mapping[str, int], language: str = "en") -> "go.Figure":
    """Utterances by emotion, most frequent on top (Fig. 4 of the paper)."""
    import plotly.graph_objects as go

    total = max(sum(counts.values()), 1)
    ordered = sorted(counts.items(), key=lambda item: item[1])
    bars = go.Bar(
        y=[_emotion(label, language) for label, _ in ordered],
        x=[count / total for _, count in ordered],
        text=[f"{count:,} · {count / total:.1%}" for _, count in ordered],
        marker_color=[BY_ZH[label].colour for label, _ in ordered],
        orientation="h",
        textposition="outside",
        cliponaxis=False,
        hoverinfo="y+text",
    )
    figure = go.Figure(bars)
    figure.update_xaxes(tickformat=".0%", title=_WORDS["share"][language], rangemode="tozero")
    return _dressed(figure, _WORDS["emotions"][language], width=900, height=460)


def verb_noun_figure(
    verbs: Mapping[str, Mapping[str, int]], language: str = "en", objects: int = 4
) -> "go.Figure":
    """Verbs inside, their `objects` most frequent objects outside (Fig. 3 of the paper)."""
    import plotly.graph_objects as go

    ids, labels, parents, values = [], [], [], []
    for verb, nouns in verbs.items():
        ids.append(verb)
        labels.append(verb)
        parents.append("")
        values.append(sum(nouns.values()))
        shown = dict(list(nouns.items())[:objects])
        rest = sum(nouns.values()) - sum(shown.values())
        if rest:
            # The space keeps it apart from an object that is called so.
            shown[_WORDS["others"][language] + " "] = rest
        for noun, count in shown.items():
            ids.append(f"{verb}/{noun}")
            labels.append(noun)
            parents.append(verb)
            values.append(count)
    rings = go.Sunburst(
        ids=ids,
        labels=labels,
        parents=parents,
        values=values,
        branchvalues="total",
        sort=False,
        insidetextorientation="radial",
        hovertemplate="%{label} · %{value}<extra></extra>",
    )
    figure = go.Figure(rings)
    figure.update_layout(sunburstcolorway=_PALETTE, extendsunburstcolors=True)
    return _dressed(figure, _WORDS["verbs"][language], width=900, height=900)


def signature_figure(
    signatures: Mapping[str, Mapping[str, float]],
    names: Mapping[str, str],
    language: str = "en",
) -> "go.Figure":
    """Emotions by character, as shares of their own lines; `names` are those to be shown by id."""
    import plotly.graph_objects as go

    labels = list(BY_ZH)
    people = list(signatures)
    heat = go.Heatmap(
        x=[_emotion(label, language).replace(" ", "<br>") for label in labels],
        y=[names[person] for person in people],
        z=[[signatures[person].get(label, 0.0) for label in labels] for person in people],
        colorscale=[(0, "#ffffff"), (1, "#1f5f99")],
        texttemplate="%{z:.0%}",
        hovertemplate="%{y} · %{x} · %{z:.0%}<extra></extra>",
        showscale=False,
        xgap=1,
        ygap=1,
    )
    figure = go.Figure(heat)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(side="top", tickangle=0)
    title = _WORDS["signatures"][language]
    figure = _dressed(figure, title, width=1000, height=180 + 26 * len(people))
    figure.update_layout(margin_t=120, title_y=0.98)
    return figure


def confusion_figure(
    table: Mapping[str, Mapping[str, int]], names: Mapping[str, str], language: str = "en"
) -> "go.Figure":
    """The confusion table of the style test: who spoke down, who was named across."""
    import plotly.graph_objects as go

    people = list(table)
    cells = [[table[speaker].get(guess, 0) for guess in people] for speaker in people]
    heat = go.Heatmap(
        x=[names[person] for person in people],
        y=[names[person] for person in people],
        z=cells,
        text=[[str(count) if count else "" for count in row] for row in cells],
        texttemplate="%{text}",
        hovertemplate="%{y} → %{x} · %{z}<extra></extra>",
        colorscale=[(0, "#ffffff"), (0.2, "#c6dcf0"), (1, "#1f5f99")],
        showscale=False,
        xgap=1,
        ygap=1,
    )
    figure = go.Figure(heat)
    figure.update_yaxes(autorange="reversed", title=_WORDS["speaker"][language])
    figure.update_xaxes(side="top", tickangle=-60, title=_WORDS["guess"][language])
    side = 260 + 28 * len(people)
    figure = _dressed(figure, _WORDS["confusions"][language], width=side, height=side)
    figure.update_layout(margin_t=160, title_y=0.98)  # slanted names and an axis title stand there
    return figure


def trait_cloud(traits: Mapping[str, int], font: Path | None = None) -> bytes:
    """The traits as a word cloud, PNG bytes (Fig. 5 of the paper); the same traits, same picture.

    Without `font`, one with simplified Chinese is looked for; `ResultsError` when there is none.
    """
    with _cloud(traits, CLOUD_SIZE, 110, font) as cloud:
        picture = cloud.to_image()
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def cloud_places(
    traits: Mapping[str, int], size: tuple[int, int], largest: int, font: Path | None = None
) -> list[Place]:
    """Where the same cloud has its words, for a page that draws them with fonts of its own."""
    from PIL import ImageFont

    face = font or chinese_font()
    places = []
    with _cloud(traits, size, largest, face) as cloud:
        layout = cloud.layout_
    for (word, _), points, (y, x), _, _ in layout:
        letters = ImageFont.truetype(str(face), points)
        left, top, right, _ = letters.getbbox(word)
        places.append(
            # the layout knows where the ink begins, a page where the line stands
            Place(word, points, round(x - left), round(y + letters.getmetrics()[0] - top),
                  round(right - left))
        )  # fmt: skip
    return places


@contextmanager
def _cloud(
    traits: Mapping[str, int], size: tuple[int, int], largest: int, font: Path | None
) -> "Iterator[WordCloud]":
    """The laid out cloud, as long as the face of its font is on disk."""
    from wordcloud import WordCloud

    with tempfile.TemporaryDirectory(prefix="rolecraft-") as folder:
        face = single_face(font or chinese_font(), Path(folder))
        yield WordCloud(
            font_path=str(face),
            width=size[0],
            height=size[1],
            background_color="white",
            color_func=_cloud_colour,
            prefer_horizontal=1.0,
            relative_scaling=0.6,
            max_font_size=largest,
            margin=8,
            random_state=28,
        ).generate_from_frequencies(dict(traits))


def _cloud_colour(word: str, **_: Any) -> str:
    # By the word, not by chance: a trait keeps its colour when others come and go.
    return _PALETTE[sum(map(ord, word)) % len(_PALETTE)]


def _emotion(label: str, language: str) -> str:
    return label if language == "zh" else f"{BY_ZH[label].en} {label}"


def _dressed(figure: "go.Figure", title: str, width: int, height: int) -> "go.Figure":
    figure.update_layout(
        title={"text": title, "x": 0.5},
        width=width,
        height=height,
        template="plotly_white",
        font={"family": _FONTS, "size": 14, "color": _INK},
        margin={"t": 90, "l": 20, "r": 60, "b": 30},
    )
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(automargin=True)
    return figure
