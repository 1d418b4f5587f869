"""Keys that everybody knows: Alice's and Bob's of RFC 7748, section 6.1, and pre-shared ones."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    secret: bytes
    public: bytes


ALICE = Pair(
    bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
    bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
)
BOB = Pair(
    bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
    bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
)
PSK = bytes(range(1, 33))
OTHER_PSK = bytes(range(2, 34))
