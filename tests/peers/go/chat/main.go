// netproto by another hand: it follows docs/wire-format.md and schema/base.np, on flynn/noise and
// golang.org/x/crypto. It speaks version 2 of examples/chat, in secure sessions only.
//
//	chat client|server ADDRESS SECRET PEER PSK DIGEST CIPHER
//
// A server prints the address it listens on, and serves one connection.
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Nothing here takes a second.
const timeout = 20 * time.Second

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage:", err)
		os.Exit(2)
	}
	return data
}

// open connects, or waits for who connects.
func open(role, address string) (net.Conn, error) {
	if role == "client" {
		return net.DialTimeout("tcp", address, timeout)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	fmt.Println(listener.Addr())
	return listener.Accept()
}

func run(role string, conn net.Conn, id identity) error {
	if role == "client" {
		s, err := connect(conn, id)
		if err == nil {
			err = s.talkToServer(id.digest)
		}
		return tell(conn, s, err)
	}
	s, err := accept(conn, id)
	if err == nil {
		err = s.serve(id.digest)
	}
	return tell(conn, s, err)
}

// tell tells the other side that something of it was refused: in a record, or without keys in the
// clear. It returns err.
func tell(conn net.Conn, s *session, err error) error {
	var refused refusal
	if !errors.As(err, &refused) {
		return err
	}
	if s == nil {
		_ = writePlain(conn, errorMessage(reasonRefused))
	} else {
		code := []byte{reasonRefused, 0}
		_ = s.sendRecord(entry{body: errorMessage(reasonRefused)}, entry{kind: entryClose, body: code})
	}
	return err
}

func main() {
	if len(os.Args) != 8 {
		fmt.Fprintln(os.Stderr, "usage: chat client|server ADDRESS SECRET PEER PSK DIGEST CIPHER")
		os.Exit(2)
	}
	id := identity{secret: unhex(os.Args[3]), peer: unhex(os.Args[4]), digest: unhex(os.Args[6])}
	if os.Args[7] == "aes" {
		id.cipher = cipherAES
	}
	if os.Args[5] != "-" {
		id.psk = unhex(os.Args[5])
	}
	conn, err := open(os.Args[1], os.Args[2])
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(timeout))
	}
	if err == nil {
		err = run(os.Args[1], conn, id)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status(err))
}
