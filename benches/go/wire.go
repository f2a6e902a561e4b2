package main

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The frame that every peer echoes: a 4-byte big-endian length, then the payload, whose first byte
// asks the handler to sleep when it is 1.
const (
	lengthBytes = 4
	maxPayload  = 16 << 20
	slowTime    = 20 * time.Millisecond
)

// payloadLen reads the length field.
func payloadLen(field []byte) (int, error) {
	length := binary.BigEndian.Uint32(field)
	if length > maxPayload {
		return 0, fmt.Errorf("a frame of %d bytes is beyond the limit of %d", length, maxPayload)
	}
	return int(length), nil
}

// asksToSleep tells whether the handler is to sleep.
func asksToSleep(payload []byte) bool {
	return len(payload) > 0 && payload[0] == 1
}
