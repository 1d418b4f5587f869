package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"github.com/flynn/noise"
	"golang.org/x/crypto/curve25519"
)

// The handshake: docs/wire-format.md, "The handshake". Noise itself is flynn/noise's.

const (
	idInit     = 2
	idResponse = 3
	idConfirm  = 4
	skewMs     = 5000
)

var prologue = []byte("netproto/1\x00\xDE\xAD\xBE\xEF\x01\x00")

// identity is what a side brings into a handshake.
type identity struct {
	secret []byte
	peer   []byte // the public key that the other side has to prove
	psk    []byte // nil: XX without one
	digest []byte // of the schema
	cipher byte   // the only one that is spoken
}

// cipherWithKey is ChaChaPoly, and keeps the key: Split gives secrets, which are no cipher's keys here.
type cipherWithKey struct {
	noise.Cipher
	key [32]byte
}

type cipherFunc struct{}

func (cipherFunc) CipherName() string { return noise.CipherChaChaPoly.CipherName() }
func (cipherFunc) Cipher(key [32]byte) noise.Cipher {
	return cipherWithKey{noise.CipherChaChaPoly.Cipher(key), key}
}

func (id identity) pattern() byte {
	if id.psk != nil {
		return 1
	}
	return 0
}

func (id identity) start(initiator bool) (*noise.HandshakeState, error) {
	public, err := curve25519.X25519(id.secret, curve25519.Basepoint)
	if err != nil {
		return nil, err
	}
	config := noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, cipherFunc{}, noise.HashSHA256),
		Random:        rand.Reader,
		Pattern:       noise.HandshakeXX,
		Initiator:     initiator,
		Prologue:      prologue,
		StaticKeypair: noise.DHKey{Private: id.secret, Public: public},
	}
	if id.psk != nil { // from flynn/noise 1.1 on, a placement alone already means psk3
		config.PresharedKey = id.psk
		config.PresharedKeyPlacement = 3
	}
	return noise.NewHandshakeState(config)
}

// send puts a Noise message into the frame of its message; prefix is what stands before it there.
func sendNoise(conn net.Conn, id uint32, prefix, message []byte) error {
	out := append(le.AppendUint32(nil, id), prefix...)
	return writePlain(conn, putText(out, string(message)))
}

// receiveNoise is the reverse; where an Error comes instead, that is what it returns.
func receiveNoise(conn net.Conn, id uint32, prefix []byte) ([]byte, error) {
	head, payload, err := readFrame(conn, errorClearMax)
	if err != nil {
		return nil, err
	}
	r := reader{rest: payload}
	got := r.u32("id")
	if head[5] == 0 && got == idError {
		return nil, readError(payload)
	}
	r.require(head[5] == 0 && len(payload) <= handshakeMax, "the frame")
	r.require(got == id, "id")
	r.require(bytes.Equal(r.take(uint64(len(prefix)), "pattern"), prefix), "pattern")
	message := r.bytes("noise")
	if err := r.end(); err != nil {
		return nil, refusal{fmt.Sprintf("message %d: %v", id, err)}
	}
	return message, nil
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }

// connect is the handshake of the side that connects.
func connect(conn net.Conn, id identity) (*session, error) {
	state, err := id.start(true)
	if err != nil {
		return nil, err
	}
	first := initPayload{clock: nowMs()}
	if _, err := rand.Read(first.nonce[:]); err != nil {
		return nil, err
	}
	message, _, _, err := state.WriteMessage(nil, putInit(first, id.cipher))
	if err != nil {
		return nil, err
	}
	if err := sendNoise(conn, idInit, []byte{id.pattern()}, message); err != nil {
		return nil, err
	}

	message, err = receiveNoise(conn, idResponse, nil)
	if err != nil {
		return nil, err
	}
	payload, _, _, err := state.ReadMessage(nil, message)
	if err != nil {
		return nil, refusal{"Response does not open"}
	}
	if !bytes.Equal(state.PeerStatic(), id.peer) {
		return nil, refusal{"the server's key"}
	}
	challenge, err := readResponse(payload, id.digest, id.cipher)
	if err != nil {
		return nil, refusal{"Response: " + err.Error()}
	}

	message, ours, theirs, err := state.WriteMessage(nil, putConfirm(challenge, first))
	if err != nil {
		return nil, err
	}
	if err := sendNoise(conn, idConfirm, nil, message); err != nil {
		return nil, err
	}
	return newSession(conn, id.cipher, ours, theirs, state.ChannelBinding()), nil
}

// accept is the handshake of the side that accepts.
func accept(conn net.Conn, id identity) (*session, error) {
	state, err := id.start(false)
	if err != nil {
		return nil, err
	}
	message, err := receiveNoise(conn, idInit, []byte{id.pattern()})
	if err != nil {
		return nil, err
	}
	payload, _, _, err := state.ReadMessage(nil, message)
	if err != nil {
		return nil, refusal{"Init does not open"}
	}
	first, err := readInit(payload, id.cipher)
	if err != nil {
		return nil, refusal{"Init: " + err.Error()}
	}
	if now := nowMs(); first.clock+skewMs < now || first.clock > now+skewMs {
		return nil, refusal{"the clock"}
	}

	challenge := make([]byte, 32)
	if _, err := rand.Read(challenge); err != nil {
		return nil, err
	}
	message, _, _, err = state.WriteMessage(nil, putResponse(challenge, id.digest, id.cipher))
	if err != nil {
		return nil, err
	}
	if err := sendNoise(conn, idResponse, nil, message); err != nil {
		return nil, err
	}

	message, err = receiveNoise(conn, idConfirm, nil)
	if err != nil {
		return nil, err
	}
	payload, theirs, ours, err := state.ReadMessage(nil, message)
	if err != nil {
		return nil, refusal{"Confirm does not open"}
	}
	if !bytes.Equal(state.PeerStatic(), id.peer) {
		return nil, refusal{"the client's key"}
	}
	if err := readConfirm(payload, challenge, first); err != nil {
		return nil, refusal{"Confirm: " + err.Error()}
	}
	return newSession(conn, id.cipher, ours, theirs, state.ChannelBinding()), nil
}
