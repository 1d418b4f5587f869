package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Frames: ten bytes, then the payload. docs/wire-format.md, "Frames".

const (
	headLen       = 10
	flagEncrypted = 4
	flagStream    = 8
	flagMore      = 16
	handshakeMax  = 4 + 1 + 8 + 400 // the greatest message of a handshake
	recordMax     = 66576
	errorClearMax = 1024
)

var magic = []byte{0xDE, 0xAD, 0xBE, 0xEF, 1}

func frameHead(flags byte, length int) []byte {
	return binary.BigEndian.AppendUint32(append(append([]byte{}, magic...), flags), uint32(length))
}

// readFrame returns a frame's head and payload; io.EOF where the bytes end before one.
func readFrame(conn net.Conn, max uint32) (head, payload []byte, err error) {
	head = make([]byte, headLen)
	if _, err = io.ReadFull(conn, head); err != nil {
		return nil, nil, err
	}
	length := binary.BigEndian.Uint32(head[6:])
	if !bytes.Equal(head[:len(magic)], magic) || length > max {
		return nil, nil, fmt.Errorf("no frame: % x", head)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(conn, payload)
	return head, payload, err
}

// writePlain sends a message in a frame without flags.
func writePlain(conn net.Conn, message []byte) error {
	_, err := conn.Write(append(frameHead(0, len(message)), message...))
	return err
}
