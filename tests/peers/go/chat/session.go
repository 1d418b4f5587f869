package main

import (
	"fmt"
	"io"
	"net"

	"github.com/flynn/noise"
)

const (
	fragmentMax = 65536
	updateEvery = 4 // records, after which this side goes on with new keys
)

// session is a connection with keys.
type session struct {
	conn            net.Conn
	sends, receives *direction
	record          reader // what is left of the record that is being read
	records         int    // sent
	heard           bool   // a record of the other side's has opened
}

func newSession(conn net.Conn, number byte, ours, theirs *noise.CipherState, hash []byte) *session {
	return &session{
		conn:     conn,
		sends:    newDirection(number, ours.Cipher().(cipherWithKey).key, hash),
		receives: newDirection(number, theirs.Cipher().(cipherWithKey).key, hash),
	}
}

// sendRecord sends these entries in one record.
func (s *session) sendRecord(entries ...entry) error {
	s.records++
	update := s.records%updateEvery == 0 && entries[len(entries)-1].kind == entryMessage
	if update {
		entries = append(entries, entry{kind: entryKeyUpdate})
	}
	var plain []byte
	for _, e := range entries {
		plain = e.put(plain)
	}
	if _, err := s.conn.Write(s.sends.seal(plain)); err != nil {
		return io.EOF // it has gone
	}
	if update {
		s.sends.next()
	}
	return nil
}

// send sends messages of at most 65,536 bytes together.
func (s *session) send(messages ...message) error {
	var entries []entry
	for _, m := range messages {
		e := entry{stream: m.stream, body: m.body}
		if m.stream != nil {
			e.flags = flagStream
		}
		entries = append(entries, e)
	}
	return s.sendRecord(entries...)
}

// sendFragments sends a message without a stream header that may be longer.
func (s *session) sendFragments(m message) error {
	for body := m.body; ; body = body[fragmentMax:] {
		if len(body) <= fragmentMax {
			return s.sendRecord(entry{body: body})
		}
		if err := s.sendRecord(entry{flags: flagMore, body: body[:fragmentMax]}); err != nil {
			return err
		}
	}
}

// message is one as it comes out of entries: its id and fields, or what stands behind a stream
// header.
type message struct {
	stream []byte // the stream header, or nil
	body   []byte
	last   bool // this is no message but the other side's close
}

func (m message) id() uint32 {
	if len(m.body) < 4 {
		return ^uint32(0)
	}
	return le.Uint32(m.body)
}

func (s *session) nextEntry() (entry, error) {
	if len(s.record.rest) == 0 {
		head, payload, err := readFrame(s.conn, recordMax)
		if err != nil {
			return entry{}, err
		}
		if head[5] == 0 && !s.heard {
			return entry{}, readError(payload) // a server that does not like Confirm has no keys
		}
		plain, err := s.receives.open(head, payload)
		if err != nil {
			return entry{}, err
		}
		s.heard = true
		s.record = reader{rest: plain}
	}
	e := readEntry(&s.record)
	if s.record.err != nil {
		return e, refusal{s.record.err.Error()}
	}
	return e, nil
}

// receive returns the next message; Pings are answered, and an Error is an error.
func (s *session) receive() (message, error) {
	var m message
	for {
		e, err := s.nextEntry()
		if err != nil {
			return m, err
		}
		switch e.kind {
		case entryKeyUpdate:
			s.receives.next()
			continue
		case entryClose:
			return message{last: true, body: e.body}, nil
		}
		m.stream, m.body = e.stream, append(m.body, e.body...)
		if e.flags&flagMore != 0 {
			continue
		}
		switch {
		case m.stream == nil && m.id() == idError:
			return m, readError(m.body)
		case m.stream == nil && m.id() == idPing:
			if err := s.send(message{body: append(le.AppendUint32(nil, idPong), m.body[4:]...)}); err != nil {
				return m, err
			}
			m = message{}
		default:
			return m, nil
		}
	}
}

// bye sends the last record, a Disconnect without a reason and a close, and shuts its direction down.
func (s *session) bye() error {
	code := []byte{0xFF, 0xFF}
	err := s.sendRecord(entry{body: disconnect()}, entry{kind: entryClose, body: code})
	if err == nil {
		_ = s.conn.(*net.TCPConn).CloseWrite() // it may have gone by now
	}
	return err
}

// expectBye takes the other side's Disconnect and close.
func (s *session) expectBye() error {
	m, err := s.receive()
	if err == nil && (m.last || m.id() != idDisconnect) {
		err = fmt.Errorf("not a Disconnect: % x", m.body)
	}
	if err != nil {
		return err
	}
	return s.expectClose()
}

func (s *session) expectClose() error {
	m, err := s.receive()
	if err == nil && !m.last {
		err = fmt.Errorf("a message behind Disconnect: % x", m.body)
	}
	if err != nil {
		return err
	}
	return s.expectEnd()
}

// expectEnd takes the end of the other side's bytes, which follows its close.
func (s *session) expectEnd() error {
	var one [1]byte
	if n, _ := s.conn.Read(one[:]); n > 0 || len(s.record.rest) > 0 {
		return refusal{"something behind a close"}
	}
	return nil
}
