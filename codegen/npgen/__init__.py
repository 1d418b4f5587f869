"""npgen: turns a netproto schema (.np) into C, a Ragel parser, documents and test material.

The data flows one way, and each stage is a module of its own:

    read -> lex -> parse -> resolve -> check -> emit -> ragel

``source``/``lexer``/``parser`` make the syntax tree (``syntax``), ``resolve`` turns it into the
frozen ``model``, ``check`` judges it, and everything in ``emit`` only prints what the model says.
"""

GENERATOR_VERSION = "0.1.0"
"""Version of the generator; part of every banner."""

GEN_ABI = 4
"""The contract between generated code and the runtime headers (NP_GEN_ABI)."""
