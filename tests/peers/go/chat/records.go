package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/hkdf"
)

// Keys and records: docs/wire-format.md, "Keys" and "Records".

// direction is one direction of a session.
type direction struct {
	cipher byte   // its number
	secret []byte // S
	hash   []byte // h
	aead   cipher.AEAD
	fixed  []byte // the part of nonces that an epoch has: prefix or iv
	n      uint64
}

func newDirection(number byte, secret [32]byte, hash []byte) *direction {
	d := &direction{cipher: number, secret: secret[:], hash: hash}
	d.begin()
	return d
}

func (d *direction) expand(label string, length int) []byte {
	info := append([]byte("netproto/1 "+label), 0, d.cipher)
	out := make([]byte, length)
	if _, err := io.ReadFull(hkdf.Expand(sha256.New, d.secret, append(info, d.hash...)), out); err != nil {
		panic(err) // only for absurd lengths
	}
	return out
}

func (d *direction) begin() {
	var err error
	d.n = 0
	if d.cipher == cipherAES {
		d.fixed = d.expand("iv", 12)
		d.aead, err = newGCM(d.expand("key", 32))
	} else {
		d.fixed = d.expand("prefix", 16)
		d.aead, err = chacha20poly1305.NewX(d.expand("key", 32))
	}
	if err != nil {
		panic(err) // only for keys of another length
	}
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// next begins the next epoch.
func (d *direction) next() {
	d.secret = d.expand("next", 32)
	d.begin()
}

func (d *direction) nonce() []byte {
	n := d.n
	d.n++
	if d.cipher != cipherAES {
		return le.AppendUint64(append([]byte{}, d.fixed...), n)
	}
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), n)
	for i := range nonce {
		nonce[i] ^= d.fixed[i]
	}
	return nonce
}

// seal makes the frame of a record.
func (d *direction) seal(plain []byte) []byte {
	head := frameHead(flagEncrypted, len(plain)+d.aead.Overhead())
	return d.aead.Seal(head, d.nonce(), plain, head)
}

func (d *direction) open(head, payload []byte) ([]byte, error) {
	if head[5] != flagEncrypted {
		return nil, refusal{"a frame that is no record"}
	}
	plain, err := d.aead.Open(nil, d.nonce(), payload, head)
	if err != nil || len(plain) == 0 {
		return nil, refusal{"a record does not open"}
	}
	return plain, nil
}

// Entries are what the plain text of a record is made of.
const (
	entryMessage   = 0
	entryKeyUpdate = 1
	entryClose     = 2
)

type entry struct {
	kind, flags byte
	stream      []byte // the stream header, or nil
	body        []byte
}

func (e entry) put(out []byte) []byte {
	out = le.AppendUint32(out, uint32(len(e.body)))
	out = append(append(out, e.kind, e.flags), e.stream...)
	return append(out, e.body...)
}

// readEntry takes one from the front of a record's plain text.
func readEntry(r *reader) entry {
	length := r.u32("entry.length")
	e := entry{kind: r.u8("entry.type"), flags: r.u8("entry.flags")}
	if e.flags&flagStream != 0 {
		e.stream = r.take(8, "stream header")
	}
	e.body = r.take(uint64(length), "entry.body")
	plain := e.flags == 0 && len(r.rest) == 0 // alone, or the last one
	switch e.kind {
	case entryMessage:
		r.require(e.flags&^(flagStream|flagMore) == 0, "entry.flags")
	case entryKeyUpdate:
		r.require(plain && length == 0, "a key update")
	case entryClose:
		r.require(plain && length == 2, "a close")
	default:
		r.require(false, "entry.type")
	}
	return e
}
