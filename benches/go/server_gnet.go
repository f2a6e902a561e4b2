package main

import (
	"net"

	"github.com/panjf2000/gnet/v2"
)

// serveGnet is gnet at default settings. Its handlers run in the event loop and must not block, so
// a request that sleeps goes to a goroutine, as does each request side by side. Such a reply is
// written asynchronously.
func serveGnet(addr string, sideBySide bool) error {
	// gnet does not tell the port that it got: find a free one.
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	addr = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	return gnet.Run(&gnetHandler{addr: addr, sideBySide: sideBySide}, "tcp://"+addr)
}

type gnetHandler struct {
	gnet.BuiltinEventEngine
	addr       string
	sideBySide bool
}

func (h *gnetHandler) OnBoot(gnet.Engine) gnet.Action {
	announce(h.addr)
	return gnet.None
}

func (h *gnetHandler) OnTraffic(conn gnet.Conn) gnet.Action {
	for conn.InboundBuffered() >= lengthBytes {
		field, err := conn.Peek(lengthBytes)
		if err != nil {
			return gnet.Close
		}
		length, err := payloadLen(field)
		if err != nil {
			return gnet.Close
		}
		if conn.InboundBuffered() < lengthBytes+length {
			return gnet.None
		}
		frame, err := conn.Next(lengthBytes + length)
		if err != nil {
			return gnet.Close
		}
		if h.sideBySide || asksToSleep(frame[lengthBytes:]) {
			request := append([]byte(nil), frame...)
			go func() {
				conn.AsyncWrite(handle(request, make([]byte, 0, len(request))), nil)
			}()
			continue
		}
		if _, err := conn.Write(handle(frame, make([]byte, 0, len(frame)))); err != nil {
			return gnet.Close
		}
	}
	return gnet.None
}
