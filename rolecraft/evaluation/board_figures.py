"""A board of ratings drawn with plotly: every mean with its interval, and the criteria as a radar.

Drawn offline from the board's values alone. Neither paper nor ink has a colour of its own: the page
that shows a figure gives them, so that it follows the theme.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

CRITERIA = ("communication", "consistency", "diversity")
COLUMNS = ("average", *CRITERIA)
# Middle tones: readable on white paper and on black.
_COLOURS = (
    "#d9772b", "#3f8fd0", "#2a9d8f", "#d9534f", "#8f78d0", "#7f9a2f", "#d05c9c", "#a07a55",
)  # fmt: skip
_INK = "#857a72"
_LINE = "rgba(133,122,114,0.28)"
_FONTS = "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
Names = Mapping[str, str]  # of the columns, as the reader calls them


def interval_figure(
    table: Mapping[str, Mapping[str, Any]], names: Names, title: str = ""
) -> "go.Figure":
    """Each arm's means with their 95 % intervals, side by side."""
    import plotly.graph_objects as go

    arms = standing(table)
    figure = go.Figure()
    for place, column in enumerate(COLUMNS):
        cells = [(arm, table[arm].get(column)) for arm in arms]
        known = [(arm, cell) for arm, cell in cells if cell]
        if not known:
            continue
        value = [cell["value"] for _, cell in known]
        figure.add_scatter(
            x=[arm for arm, _ in known],
            y=value,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_span(cell["high"], cell["value"]) for _, cell in known],
                "arrayminus": [_span(cell["value"], cell["low"]) for _, cell in known],
                "thickness": 2,
                "width": 5,
            },
            mode="markers",
            name=names[column],
            marker={"size": 11, "color": _COLOURS[place], "symbol": place},
            customdata=[
                [cell["low"], cell["high"], cell["n"], cell["raters"]] for _, cell in known
            ],
            hovertemplate="%{x} · %{fullData.name}<br>%{y:.2f} [%{customdata[0]:.2f} "
            "%{customdata[1]:.2f}]<br>n %{customdata[2]} · %{customdata[3]}<extra></extra>",
        )
    figure.update_layout(scattermode="group", scattergap=0.5)
    # an interval may leave the scale; it is cut there, where no value can be
    figure.update_yaxes(range=[0.9, 5.1], tickvals=[1, 2, 3, 4, 5], gridcolor=_LINE, zeroline=False)
    figure.update_xaxes(
        type="category",
        categoryarray=arms,
        showgrid=False,
        automargin=True,
        tickvals=list(arms),
        ticktext=[arm.replace("@", "<br>@") for arm in arms],  # a hash takes a line of its own
        tickfont={"size": 12},
    )
    return _dressed(figure, title)


def radar_figure(
    table: Mapping[str, Mapping[str, Any]], names: Names, title: str = ""
) -> "go.Figure":
    """The three criteria of every arm that has all of them, as one shape each."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for place, arm in enumerate(standing(table)):
        cells = [table[arm].get(name) for name in CRITERIA]
        if all(cells):
            values = [cell["value"] for cell in cells if cell]
            figure.add_scatterpolar(
                r=[*values, values[0]],
                theta=[*(names[name] for name in CRITERIA), names[CRITERIA[0]]],
                name=arm,
                mode="lines+markers",
                line={"color": _COLOURS[place % len(_COLOURS)], "width": 2.5},
                hovertemplate="%{fullData.name} · %{theta} %{r:.2f}<extra></extra>",
            )
    figure.update_polars(
        bgcolor="rgba(0,0,0,0)",
        radialaxis={"range": [1, 5], "tickvals": [1, 2, 3, 4, 5], "gridcolor": _LINE,
                    "linecolor": _LINE, "angle": 90, "tickangle": 90},
        angularaxis={"gridcolor": _LINE, "linecolor": _LINE, "rotation": 90,
                     "direction": "clockwise"},
    )  # fmt: skip
    return _dressed(figure, title)


def save_pages(board: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write both figures of a board as pages that work offline, with one plotly.min.js."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    names = {"average": "Avg", "communication": "CE", "consistency": "Cons.", "diversity": "ED"}
    for name, draw in (("board-intervals", interval_figure), ("board-radar", radar_figure)):
        path = folder / f"{name}.html"
        figure = draw(board["table"], names)
        figure.write_html(path, include_plotlyjs="directory", div_id=name)
        saved.append(path)
    return saved


def standing(table: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """The arms, the best average first; those without one last."""

    def key(arm: str) -> tuple[float, str]:
        average = table[arm].get("average")
        return (-average["value"] if average else 0.0, arm)

    return sorted(table, key=key)


def _span(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def _dressed(figure: "go.Figure", title: str) -> "go.Figure":
    figure.update_layout(
        title={"text": title, "x": 0, "y": 0.98, "yanchor": "top", "font": {"size": 18}},
        autosize=True,
        height=440,
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": _FONTS, "size": 14, "color": _INK},
        margin={"t": 104 if title else 48, "l": 44, "r": 20, "b": 40},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
        dragmode=False,
    )
    return figure
