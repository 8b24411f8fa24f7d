"""The side column: the visitor's conversations, and the settings of how they are answered.

Pure: stored conversations and catalogue entries go in, HTML comes out. The settings are kept by
the browser and sent along with what is said.
"""

from collections.abc import Callable, Sequence

from rolecraft.emotions import EMOTIONS
from rolecraft.engines.catalog import Catalog, Entry
from rolecraft.store.stored import StoredConversation
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import ICONS, button, escape, word
from rolecraft.ui.options import LIMITS, PRESETS
from rolecraft.ui.texts import Language, say


def conversations(
    talks: Sequence[StoredConversation],
    current: str,
    face: Callable[[str], Face],
    language: Language,
) -> str:
    """The visitor's list, the last used first."""
    items = "".join(_item(one, current, face(one.character), language) for one in talks)
    shown = (
        f'<ul class="talks">{items}</ul>'
        if items
        else (f'<p class="no-talks">{word(language, "no_talks")}</p>')
    )
    new = button(say(language, "new_talk"), "new", kind="new-talk", icon="plus", text=True)
    options = say(language, "settings")
    return (
        f'<nav class="side" aria-label="{word(language, "my_talks")}">{new}'
        f"<h2>{word(language, 'my_talks')}</h2>{shown}"
        f'<p class="kept">{word(language, "kept_note")}</p>'
        f"{button(options, 'settings', kind='line-button', icon='settings', text=True)}"
        "</nav>"
    )


def _item(talk: StoredConversation, current: str, face: Face, language: Language) -> str:
    title = talk.title or face.name[language]
    mine = ' aria-current="true"' if talk.id == current else ""
    acts = [("rename", "edit"), ("export_json", "down"), ("export_md", "down"), ("delete", "trash")]
    menu = "".join(
        button(say(language, act), act, kind="line-button", icon=icon, text=True)
        for act, icon in acts
    )
    return (
        f'<li data-id="{escape(talk.id)}"><button type="button" class="talk" data-act="open"{mine}>'
        f"{face.picture(language, 'tiny')}"
        f'<span class="title" dir="auto">{escape(title)}</span>'
        f'<span class="meta">{escape(face.name[language])} · '
        f'<time data-ms="{talk.updated_ms}"></time></span></button>'
        f'<details class="menu"><summary aria-label="{word(language, "more")}">{ICONS["more"]}'
        f'</summary><div class="menu-body">{menu}</div></details></li>'
    )


def settings(catalog: Catalog, language: Language) -> str:
    """The settings as a form; what is chosen in it is read by side.js."""
    return (
        '<div class="sheet" role="dialog" aria-modal="true" aria-labelledby="settings-title" '
        f'tabindex="-1" hidden><header><h2 id="settings-title">{word(language, "settings")}</h2>'
        f"{button(say(language, 'close'), 'close', icon='close')}</header>"
        f'<form class="sheet-body settings" autocomplete="off">{_engines(catalog, language)}'
        f"{_sampling(language)}{_emotions(language)}{_passages(language)}</form></div>"
    )


def _engines(catalog: Catalog, language: Language) -> str:
    shown = [entry for entry in catalog.entries.values() if not entry.hidden]
    here = [entry for entry in shown if entry.card.available]
    absent = [entry for entry in shown if not entry.card.available]
    default = catalog.default
    options = "".join(_option(entry, default, language) for entry in here)
    about = "".join(_about(entry, language) for entry in here)
    missing = "".join(_absent(entry, language) for entry in absent)
    listed = (
        f'<details class="absent"><summary>{word(language, "not_here")} ({len(absent)})</summary>'
        f"<ul>{missing}</ul></details>"
        if absent
        else ""
    )
    return (
        f'<label class="field"><span>{word(language, "engine")}</span>'
        f'<select name="engine" data-default="{escape(default)}">{options}</select></label>'
        f"{about}{listed}"
    )


def _option(entry: Entry, default: str, language: Language) -> str:
    name = entry.card.name
    note = f" · {word(language, 'engine_default')}" if name == default else ""
    who = "hand" if entry.card.kind == "written" else "machine"
    who = "sample" if entry.card.kind == "local" and entry.base == "mini" else who
    return f'<option value="{escape(name)}" data-who="{who}">{escape(name)}{note}</option>'


def _about(entry: Entry, language: Language) -> str:
    card = entry.card
    facts = [(word(language, "needs"), card.memory), (word(language, "licence"), card.licence)]
    listed = " · ".join(f"{name}: {escape(value)}" for name, value in facts if value)
    return (
        f'<p class="about" data-engine="{escape(card.name)}" hidden>'
        f"{escape(card.summary[language])}<small>{listed}</small></p>"
    )


def _absent(entry: Entry, language: Language) -> str:
    card = entry.card
    return (
        f"<li><strong>{escape(card.name)}</strong><p>{escape(card.summary[language])}</p>"
        f"<p><small>{escape(card.remedy)}</small></p></li>"
    )


def _sampling(language: Language) -> str:
    names = ("own", *PRESETS, "custom")
    radios = "".join(
        f'<label><input type="radio" name="preset" value="{name}"'
        f"{' checked' if name == 'own' else ''}><span>{word(language, f'preset_{name}')}</span>"
        "</label>"
        for name in names
    )
    about = "".join(
        f'<p class="about" data-preset="{name}" hidden>{word(language, f"about_{name}")}</p>'
        for name in names
    )
    sliders = "".join(_slider(name, language) for name in LIMITS)
    return (
        f'<fieldset class="field"><legend>{word(language, "sampling")}</legend>'
        f'<div class="segments">{radios}</div>{about}'
        f'<div class="custom" hidden>{sliders}'
        f'<label class="field"><span>{word(language, "seed")}</span>'
        f'<input type="number" name="seed" min="0" max="2147483647" step="1" '
        f'placeholder="{word(language, "seed_hint")}"></label></div></fieldset>'
    )


def _slider(name: str, language: Language) -> str:
    limit = LIMITS[name]
    return (
        f'<label class="field slider"><span>{word(language, name)} <output></output></span>'
        f'<input type="range" name="{name}" min="{limit.low:g}" max="{limit.high:g}" '
        f'step="{limit.step:g}" value="{limit.start:g}"></label>'
    )


def _emotions(language: Language) -> str:
    options = "".join(
        f'<option value="{escape(one.zh)}">{escape(getattr(one, language))}</option>'
        for one in EMOTIONS
    )
    return (
        f'<label class="field"><span>{word(language, "emotion")}</span><select name="emotion">'
        f'<option value="">{word(language, "emotion_free")}</option>{options}</select></label>'
    )


def _passages(language: Language) -> str:
    return (
        '<label class="field switch"><input type="checkbox" name="passages" role="switch" checked>'
        f"<span>{word(language, 'passages_on')}</span></label>"
    )
