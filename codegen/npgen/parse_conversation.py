"""Parsing of conversations: states, and who may say what in them."""

from __future__ import annotations

from typing import Optional

from .cursor import Cursor
from .parse_fields import join, parse_block, skip_doc_before_brace
from .syntax import ConversationNode, Doc, Expr, Name, RuleNode, StateNode

SIDES = ("client", "server", "either")

ANY_STATE = "*"
"""The name of the state whose rules hold in every state."""


def parse_conversation(c: Cursor, doc: Doc) -> ConversationNode:
    """``conversation name { start; state...; final...; }``; the first word is already taken."""
    name = c.expect_name("the conversation's name")
    starts: list[Name] = []
    states: list[StateNode] = []
    broken: list[Name] = []

    def statement() -> None:
        place = c.token.span
        state_doc = c.take_doc()
        if state_doc and skip_doc_before_brace(c, place):
            return
        if c.accept("start"):
            c.refuse_doc(state_doc, place)
            starts.append(c.expect_name("the state to start in"))
            c.end_statement("the start")
        elif c.at("state") or c.at("final"):
            state, readable = _parse_state(c, c.take().text == "final", state_doc)
            states.append(state)
            if not readable:
                broken.append(state.name)
        else:
            raise c.fail(f"expected 'start', 'state' or 'final', found {c.token}")

    complete = parse_block(c, f"conversation '{name.text}'", statement)
    return ConversationNode(name, tuple(starts), tuple(states), doc, complete and not broken)


def _parse_state(c: Cursor, final: bool, doc: Doc) -> tuple[StateNode, bool]:
    """A state, and whether all of its rules could be read."""
    complete = True
    if c.at(ANY_STATE) and not final:
        token = c.take()
        name = Name(ANY_STATE, token.span)
    else:
        name = c.expect_name("a state's name")
    rules: list[RuleNode] = []
    within: list[Expr] = []

    def statement() -> None:
        place = c.token.span
        rule_doc = c.take_doc()
        if rule_doc and skip_doc_before_brace(c, place):
            return
        c.refuse_doc(rule_doc, place)
        if c.accept("within"):
            within.append(c.expect_expr("a time after 'within'"))
            c.end_statement("the time limit")
        elif c.token.text in SIDES:
            rules.append(_parse_rule(c))
        else:
            raise c.fail(f"expected 'client', 'server', 'either' or 'within', found {c.token}")

    if final and not c.at("{"):
        c.end_statement(f"final state '{name.text}'")
    else:
        complete = parse_block(c, f"state '{name.text}'", statement)
    return StateNode(name, tuple(rules), tuple(within), final, doc), complete


def _parse_rule(c: Cursor) -> RuleNode:
    """``side messages [-> state [else state]];``."""
    side = c.take()
    messages: list[Name] = []
    if not c.accept("*"):
        messages.append(c.expect_name("a message or '*'"))
        while c.accept(","):
            messages.append(c.expect_name("a message"))
    target: Optional[Name] = c.expect_name("a state after '->'") if c.accept("->") else None
    refused: Optional[Name] = None
    if target is not None and c.accept("else"):
        refused = c.expect_name("the state after a refusal")
    span = join(side.span, c.previous.span)
    c.end_statement("the rule")
    return RuleNode(side.text, tuple(messages), target, span, refused)
