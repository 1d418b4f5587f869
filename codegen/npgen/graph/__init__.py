"""``npgen graph``: conversations, layouts and parsers as pictures (dot or SVG)."""
