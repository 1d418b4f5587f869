package main

import (
	"encoding/binary"
	"fmt"
)

// Values as docs/wire-format.md, "Values", has them: little endian, nothing between fields.

var le = binary.LittleEndian

func putText(out []byte, text string) []byte {
	return append(le.AppendUint64(out, uint64(len(text))), text...)
}

// reader takes values from the front of a payload. After the first one that is not there, or not
// right, all are zero and err tells.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n uint64, what string) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		if r.err == nil {
			r.err = fmt.Errorf("%s: %d bytes, %d are left", what, n, len(r.rest))
		}
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) number(n uint64, what string) uint64 {
	var value uint64
	for i, b := range r.take(n, what) {
		value |= uint64(b) << (8 * i)
	}
	return value
}

func (r *reader) u8(what string) uint8   { return uint8(r.number(1, what)) }
func (r *reader) u16(what string) uint16 { return uint16(r.number(2, what)) }
func (r *reader) u32(what string) uint32 { return uint32(r.number(4, what)) }
func (r *reader) u64(what string) uint64 { return r.number(8, what) }

// bytes takes what is a string, bytes or a list of u8: its length, then itself.
func (r *reader) bytes(what string) []byte { return r.take(r.u64(what), what) }

// require notes what does not hold.
func (r *reader) require(holds bool, what string) {
	if r.err == nil && !holds {
		r.err = fmt.Errorf("%s is not what it should be", what)
	}
}

// end tells the first thing that was wrong; bytes behind the last value are.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		return fmt.Errorf("%d bytes behind the end", len(r.rest))
	}
	return r.err
}
