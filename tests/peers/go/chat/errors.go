package main

import (
	"errors"
	"fmt"
	"io"
)

// How a session ends other than in order.

// refusal: what the other side sent is not what it should be; it is told so.
type refusal struct{ what string }

func (r refusal) Error() string { return "refused: " + r.what }

// told: the other side has refused something of ours.
type told struct{ reason uint32 }

func (t told) Error() string { return fmt.Sprint("told: reason ", t.reason) }

// Numbers of Reason.
const reasonRefused = 3

// errorMessage is a message 11, Error, with nothing but a reason.
func errorMessage(reason uint32) []byte {
	out := le.AppendUint32(nil, idError)
	out = le.AppendUint32(out, reason)
	out = putText(out, "")        // where
	out = le.AppendUint64(out, 0) // offset
	out = putText(out, "")        // text
	return append(out, 0, 0)      // no offer, no clock
}

// readError reads one as far as its reason.
func readError(message []byte) error {
	r := reader{rest: message}
	r.require(r.u32("id") == idError, "id")
	reason := r.u32("reason")
	if r.err != nil {
		return r.err
	}
	return told{reason}
}

// status is what check_chat.py looks at.
func status(err error) int {
	var refused refusal
	var wasTold told
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		return 3
	case errors.Is(err, io.EOF):
		return 4
	case errors.As(err, &wasTold):
		return 5
	default:
		return 1
	}
}
