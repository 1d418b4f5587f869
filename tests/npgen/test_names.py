"""Names of the schema and names in C."""

from __future__ import annotations

import unittest

from support import errors_of, protocol_of

from npgen.names import member, snake, upper


class Names(unittest.TestCase):
    def test_snake(self) -> None:
        for name, expected in {
            "Say": "say", "SecureHandshakeInit": "secure_handshake_init",
            "HTTPServer": "http_server", "X25519Key": "x25519_key", "Utf8Text": "utf8_text",
            "already_snake": "already_snake", "A": "a", "AB": "ab", "ABc": "a_bc",
            "SHA256": "sha256",
        }.items():  # fmt: skip
            self.assertEqual(snake(name), expected)

    def test_upper(self) -> None:
        self.assertEqual(upper("SecureHandshakeInit"), "SECURE_HANDSHAKE_INIT")

    def test_member(self) -> None:
        for name, expected in {"Say": "say", "Delete": "delete_", "Register": "register_",
                               "Errno": "errno_", "Message": "message"}.items():  # fmt: skip
            self.assertEqual(member(name), expected)

    def test_messages_and_plain_variants_may_be_keywords(self) -> None:
        enum = "enum E { default = 0; New = 1; SIGINT = 2; }"
        protocol = protocol_of(f"message Delete = 1 {{}}\n{enum}")
        self.assertEqual(len(protocol.messages), 1)

    def test_the_longest_name(self) -> None:
        protocol_of(f"struct {'A' * 64} {{}}")
        self.assertEqual(errors_of(f"struct {'A' * 65} {{}}")[0].rule, "name-style")


if __name__ == "__main__":
    unittest.main()
