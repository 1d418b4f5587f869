package main

import (
	"bytes"
	"fmt"
)

// What is said: messages of the base protocol, and of examples/chat at version 2.

const (
	idPing       = 0
	idPong       = 1
	idEcho       = 5
	idDisconnect = 6
	idWelcome    = 10
	idError      = 11
	idJoin       = 256
	idSay        = 257
	idFind       = 258
	idBlob       = 259

	kindRequest  = 0
	kindResponse = 1
	kindError    = 2

	blobLen = 100000
)

func withID(id uint32) []byte { return le.AppendUint32(nil, id) }

func token(id uint32, value uint64) []byte { return le.AppendUint64(withID(id), value) }

func (s *session) welcome(digest []byte) []byte {
	return putChoice(withID(idWelcome), digest, s.sends.cipher)
}

func disconnect() []byte { return putText(append(withID(idDisconnect), 0), "") }

func echo() []byte { return putText(withID(idEcho), "out of the blue") }

func join() []byte { return putText(putText(withID(idJoin), "ann"), "garden") }

func joined() []byte { return le.AppendUint32(withID(idJoin), 1) } // people

func say() []byte {
	out := putText(putText(withID(idSay), "hi"), "")
	return append(out, 0, 1) // at: none; mood: glad
}

func find(name string) []byte { return putText(withID(idFind), name) }

func person() []byte {
	out := putText(putText(withID(idFind), "ann"), "garden")
	out = le.AppendUint32(out, 1)  // presence: online
	return le.AppendUint32(out, 3) // says
}

func failure() []byte {
	out := le.AppendUint32(nil, reasonRefused)
	out = le.AppendUint32(out, 404)
	return putText(out, "nobody has that name")
}

func blob() []byte {
	body := make([]byte, blobLen)
	for i := range body {
		body[i] = byte(i)
	}
	out := putText(putText(withID(idBlob), "f"), "")
	return putText(out, string(body))
}

func streamHeader(stream uint32, kind byte) []byte {
	return append(le.AppendUint32(nil, stream), kind, 0, 0, 0)
}

// expect takes a message that has to be this one.
func (s *session) expect(stream, body []byte) error {
	m, err := s.receive()
	if err == nil && (m.last || !bytes.Equal(m.stream, stream) || !bytes.Equal(m.body, body)) {
		err = fmt.Errorf("% x % .64x, not % x % .64x", m.stream, m.body, stream, body)
	}
	return err
}

// talkToServer says everything once; each of it comes back, or is answered.
func (s *session) talkToServer(digest []byte) error {
	plain := func(bodies ...[]byte) error {
		var messages []message
		for _, body := range bodies {
			messages = append(messages, message{body: body})
		}
		return s.send(messages...)
	}
	ask := func(stream uint32, name string) error {
		return s.send(message{stream: streamHeader(stream, kindRequest), body: find(name)})
	}
	steps := []func() error{
		func() error { return s.expect(nil, s.welcome(digest)) },
		func() error {
			return s.send(message{stream: streamHeader(1, kindRequest), body: join()},
				message{body: token(idPing, 7)})
		},
		func() error { return s.expect(streamHeader(1, kindResponse), joined()) },
		func() error { return s.expect(nil, token(idPong, 7)) },
		func() error { return plain(echo(), say()) },
		func() error { return s.expect(nil, echo()) },
		func() error { return s.expect(nil, say()) },
		func() error { return ask(3, "ann") },
		func() error { return s.expect(streamHeader(3, kindResponse), person()) },
		func() error { return ask(5, "x") },
		func() error { return s.expect(streamHeader(5, kindError), failure()) },
		func() error { return s.sendFragments(message{body: blob()}) },
		func() error { return s.expect(nil, blob()) },
		func() error { return plain(echo()) },
		func() error { return s.expect(nil, echo()) },
		s.bye,
		s.expectBye,
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// serve says back what comes, and answers requests, until the client says goodbye.
func (s *session) serve(digest []byte) error {
	if err := s.send(message{body: s.welcome(digest)}, message{body: token(idPing, 9)}); err != nil {
		return err
	}
	for ponged, came := false, false; ; {
		m, err := s.receive()
		if err != nil {
			return err
		}
		switch {
		case m.last:
			return fmt.Errorf("a close without a Disconnect")
		case bytes.Equal(m.body, token(idPong, 9)):
			ponged = true
		case m.stream != nil && m.stream[4] == kindRequest && bytes.Equal(m.body, join()):
			came = true
			response := message{stream: streamHeader(le.Uint32(m.stream), kindResponse), body: joined()}
			if err := s.send(response); err != nil {
				return err
			}
		case m.id() == idDisconnect:
			if !ponged || !came {
				return fmt.Errorf("the end, and Pong: %v, Join: %v", ponged, came)
			}
			if err := s.expectClose(); err != nil {
				return err
			}
			return s.bye()
		default:
			if err := s.answer(m); err != nil {
				return err
			}
		}
	}
}

func (s *session) answer(m message) error {
	switch {
	case m.stream == nil && (m.id() == idEcho || m.id() == idSay || m.id() == idBlob):
		return s.sendFragments(m)
	case m.stream != nil && m.stream[4] == kindRequest && bytes.Equal(m.body, find("ann")):
		return s.send(message{stream: streamHeader(le.Uint32(m.stream), kindResponse), body: person()})
	case m.stream != nil && m.stream[4] == kindRequest && bytes.Equal(m.body, find("x")):
		return s.send(message{stream: streamHeader(le.Uint32(m.stream), kindError), body: failure()})
	default:
		return refusal{fmt.Sprintf("% x % .64x", m.stream, m.body)}
	}
}
