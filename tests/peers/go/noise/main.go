// One end of a talk by github.com/flynn/noise; ../../README.md tells what is said.
//
//	noise ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/flynn/noise"
	"golang.org/x/crypto/curve25519"
)

// How the program ends: what check.py looks at.
const (
	wrong   = 1
	usage   = 2
	refused = 3
	gone    = 4
)

func end(status int, what string, detail interface{}) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, detail)
	os.Exit(status)
}

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		end(usage, "usage", err)
	}
	return data
}

func send(message []byte) {
	head := binary.LittleEndian.AppendUint16(nil, uint16(len(message)))
	if _, err := os.Stdout.Write(append(head, message...)); err != nil {
		end(gone, "gone", err)
	}
}

func receive() []byte {
	var head [2]byte
	if _, err := io.ReadFull(os.Stdin, head[:]); err != nil {
		end(gone, "gone", err)
	}
	message := make([]byte, binary.LittleEndian.Uint16(head[:]))
	if _, err := io.ReadFull(os.Stdin, message); err != nil {
		end(gone, "gone", err)
	}
	return message
}

func compare(got, want []byte, where string) {
	if !bytes.Equal(got, want) {
		end(wrong, "wrong", where)
	}
}

// pattern returns n bytes that count up from first.
func pattern(n, first int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i + first)
	}
	return out
}

// handshake says the three messages; it returns the states of the initiator's direction and of the
// other one.
func handshake(state *noise.HandshakeState, initiator bool, lengths [3]int) [2]*noise.CipherState {
	var states [2]*noise.CipherState
	for k, n := range lengths {
		where := fmt.Sprint("message ", k)
		payload := pattern(n, k)
		if (k%2 == 0) == initiator {
			message, first, second, err := state.WriteMessage(nil, payload)
			if err != nil {
				end(wrong, where, err)
			}
			states = [2]*noise.CipherState{first, second}
			send(message)
		} else {
			got, first, second, err := state.ReadMessage(nil, receive())
			if err != nil {
				end(refused, "refused", where)
			}
			states = [2]*noise.CipherState{first, second}
			compare(got, payload, where)
		}
	}
	return states
}

// exchange says each text once in both directions, the initiator's first.
func exchange(states [2]*noise.CipherState, initiator bool, texts [][]byte) {
	for _, text := range texts {
		for direction, state := range states {
			if (direction == 0) == initiator {
				message, err := state.Encrypt(nil, nil, text)
				if err != nil {
					end(wrong, "transport", err)
				}
				send(message)
			} else {
				got, err := state.Decrypt(nil, nil, receive())
				if err != nil {
					end(refused, "refused", "transport")
				}
				compare(got, text, "transport")
			}
		}
	}
}

func main() {
	if len(os.Args) != 8 {
		end(usage, "usage", "noise ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS")
	}
	initiator := os.Args[1] == "initiator"
	secret := unhex(os.Args[3])
	public, err := curve25519.X25519(secret, curve25519.Basepoint)
	if err != nil {
		end(usage, "usage", err)
	}
	config := noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256),
		Random:        rand.Reader,
		Pattern:       noise.HandshakeXX,
		Initiator:     initiator,
		Prologue:      unhex(os.Args[5]),
		StaticKeypair: noise.DHKey{Private: secret, Public: public},
	}
	if strings.Contains(os.Args[2], "psk3") {
		config.PresharedKey = unhex(os.Args[6])
		config.PresharedKeyPlacement = 3
	}
	var lengths [3]int
	if _, err := fmt.Sscanf(os.Args[7], "%d,%d,%d", &lengths[0], &lengths[1], &lengths[2]); err != nil {
		end(usage, "usage", err)
	}
	state, err := noise.NewHandshakeState(config)
	if err != nil {
		end(usage, "usage", err)
	}
	states := handshake(state, initiator, lengths)
	compare(state.PeerStatic(), unhex(os.Args[4]), "the peer's key")
	exchange(states, initiator, [][]byte{state.ChannelBinding(), nil, pattern(1000, 0)})
}
