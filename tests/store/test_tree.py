from hypothesis import given
from hypothesis import strategies as st

from rolecraft.store.tree import Branching, Tree

# u1 ─ a1 ─ u2 ─ a3        u1 edited is u3, answered by a4; a2 is the second answer to u1
TALK = [
    Branching("u1", None, 1, 1),
    Branching("a1", "u1", 2, 2),
    Branching("u2", "a1", 3, 3),
    Branching("a3", "u2", 4, 4),
    Branching("a2", "u1", 5, 5),
    Branching("u3", None, 6, 6),
    Branching("a4", "u3", 7, 7),
]


def test_the_last_picked_branch_is_shown() -> None:
    assert Tree(TALK).active() == ("u3", "a4")
    assert Tree(TALK[:5]).active() == ("u1", "a2")
    assert Tree(TALK[:4]).active() == ("u1", "a1", "u2", "a3")
    assert Tree([]).active() == ()


def test_siblings_come_in_the_order_in_which_they_were_said() -> None:
    tree = Tree(reversed(TALK))
    assert tree.siblings("a2") == tree.siblings("a1") == ("a1", "a2")
    assert tree.siblings("u1") == ("u1", "u3")
    assert tree.children("a4") == ()


def test_a_branch_is_shown_as_it_was_left() -> None:
    tree = Tree(TALK)
    assert tree.through("u1") == ("u1", "a2")
    assert tree.through("a1") == ("u1", "a1", "u2", "a3")
    assert tree.up_to("u2") == ("u1", "a1", "u2")


def test_only_what_is_not_shown_yet_has_to_be_picked() -> None:
    assert Tree(TALK).to_pick("a1") == ("u1", "a1")
    assert Tree(TALK).to_pick("a4") == ()
    assert Tree(TALK).to_pick("u2") == ("u1", "a1")


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.integers(0, 29))
def test_picking_any_message_shows_it(parents: list[int], wanted: int) -> None:
    messages = [
        Branching(str(n), None if parent % n == 0 else str(parent % n), n, n)
        for n, parent in enumerate(parents, 1)
    ]
    tree, id = Tree(messages), str(wanted % len(parents) + 1)
    picked = set(tree.to_pick(id))
    after = Tree(
        Branching(m.id, m.parent, m.number, 99 if m.id in picked else m.picked) for m in messages
    )
    assert id in after.active()
    assert after.active() == tree.through(id)
    assert tree.all() == tuple(m.id for m in messages)
