package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// serveNet is the standard library: a goroutine for each connection, and side by side one for each
// request, whose replies go through a mutex.
func serveNet(addr string, sideBySide bool) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	announce(listener.Addr().String())
	if tlsConfig != nil {
		listener = tls.NewListener(listener, tlsConfig)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if sideBySide {
				netSideBySide(conn)
			} else {
				netInSeries(conn)
			}
		}()
	}
}

// receive reads a whole frame into room, or into a new slice where that is too small.
func receive(reader *bufio.Reader, room []byte) ([]byte, error) {
	field, err := reader.Peek(lengthBytes)
	if err != nil {
		return nil, err
	}
	length, err := payloadLen(field)
	if err != nil {
		return nil, err
	}
	if total := lengthBytes + length; cap(room) >= total {
		room = room[:total]
	} else {
		room = make([]byte, total)
	}
	_, err = io.ReadFull(reader, room)
	return room, err
}

// handle appends the reply, which is a copy of the request.
func handle(frame, reply []byte) []byte {
	if asksToSleep(frame[lengthBytes:]) {
		time.Sleep(slowTime)
	}
	return append(reply, frame...)
}

func netInSeries(conn net.Conn) {
	reader := bufio.NewReader(conn)
	var frame, reply []byte
	var err error
	for {
		if frame, err = receive(reader, frame); err != nil {
			return
		}
		reply = handle(frame, reply[:0])
		if _, err = conn.Write(reply); err != nil {
			return
		}
	}
}

func netSideBySide(conn net.Conn) {
	reader := bufio.NewReader(conn)
	var writing sync.Mutex
	for {
		frame, err := receive(reader, nil)
		if err != nil {
			return
		}
		go func() {
			reply := handle(frame, make([]byte, 0, len(frame)))
			writing.Lock()
			defer writing.Unlock()
			conn.Write(reply)
		}()
	}
}
