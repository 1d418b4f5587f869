package main

import "bytes"

// The payloads of the handshake: structs of schema/base.np.

const (
	protocolName  = "chat"
	version       = 2 // the only one that is spoken here
	cipherXChaCha = 0
	cipherAES     = 1
)

type initPayload struct {
	clock uint64 // ms since 1970
	nonce [16]byte
}

// choice is a Choice of version 2, with the digest of the schema.
func putChoice(out, digest []byte, cipher byte) []byte {
	out = le.AppendUint32(out, version)
	out = append(out, digest...)
	out = append(out, cipher, 0)   // no compression
	out = le.AppendUint64(out, 0)  // no features
	return le.AppendUint64(out, 0) // no extensions
}

func readChoice(r *reader, digest []byte, cipher byte) {
	r.require(r.u32("choice.version") == version, "choice.version")
	r.require(bytes.Equal(r.take(32, "choice.digest"), digest), "choice.digest")
	r.require(r.u8("choice.cipher") == cipher, "choice.cipher")
	r.require(r.u8("choice.compression") == 0, "choice.compression")
	r.require(r.u64("choice.features") == 0, "choice.features")
	readExtensions(r)
}

func putOffer(out []byte, cipher byte) []byte {
	out = putText(out, protocolName)
	out = le.AppendUint32(out, version)        // version_min
	out = le.AppendUint32(out, version)        // version_max
	out = putText(out, string([]byte{cipher})) // ciphers
	out = putText(out, "")                     // compressions
	out = le.AppendUint64(out, 0)              // features
	return le.AppendUint64(out, 0)             // extensions
}

// readOffer refuses an offer that version 2 with our cipher is not in.
func readOffer(r *reader, cipher byte) {
	name := r.bytes("offer.protocol")
	least, most := r.u32("offer.version_min"), r.u32("offer.version_max")
	ciphers := r.bytes("offer.ciphers")
	r.bytes("offer.compressions")
	r.u64("offer.features")
	readExtensions(r)
	r.require(string(name) == protocolName, "offer.protocol")
	r.require(least <= version && version <= most, "offer.version_min or _max")
	r.require(bytes.IndexByte(ciphers, cipher) >= 0, "offer.ciphers")
}

// readExtensions ignores them, but for their order.
func readExtensions(r *reader) {
	count := r.u64("extensions")
	before := uint16(0)
	for i := uint64(0); i < count && r.err == nil; i++ {
		id := r.u16("extension.id")
		r.require(i == 0 || id > before, "extension.id")
		before = id
		r.bytes("extension.value")
	}
}

func putInit(p initPayload, cipher byte) []byte {
	out := le.AppendUint64(nil, p.clock)
	return putOffer(append(out, p.nonce[:]...), cipher)
}

func readInit(payload []byte, cipher byte) (p initPayload, err error) {
	r := reader{rest: payload}
	p.clock = r.u64("clock")
	copy(p.nonce[:], r.take(16, "nonce"))
	readOffer(&r, cipher)
	return p, r.end()
}

func putResponse(challenge, digest []byte, cipher byte) []byte {
	out := append([]byte{}, challenge...)
	out = le.AppendUint32(out, 0) // chosen
	return putChoice(out, digest, cipher)
}

func readResponse(payload, digest []byte, cipher byte) (challenge []byte, err error) {
	r := reader{rest: payload}
	challenge = r.take(32, "challenge")
	r.require(r.u32("answer") == 0, "answer")
	readChoice(&r, digest, cipher)
	return challenge, r.end()
}

func putConfirm(challenge []byte, p initPayload) []byte {
	out := le.AppendUint64(append([]byte{}, challenge...), p.clock)
	out = append(out, p.nonce[:]...)
	return le.AppendUint64(out, 0) // extensions
}

func readConfirm(payload, challenge []byte, p initPayload) error {
	r := reader{rest: payload}
	r.require(bytes.Equal(r.take(32, "challenge"), challenge), "challenge")
	r.require(r.u64("clock") == p.clock, "clock")
	r.require(bytes.Equal(r.take(16, "nonce"), p.nonce[:]), "nonce")
	readExtensions(&r)
	return r.end()
}
