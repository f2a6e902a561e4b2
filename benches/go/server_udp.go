package main

import (
	"net"

	"github.com/panjf2000/gnet/v2"
)

// Datagrams whose first byte is this are answered with themselves.
const echoed = 1

// serveUDPNet is Go's net: one goroutine on one socket.
func serveUDPNet(addr string, _ bool) error {
	packets, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	conn := packets.(*net.UDPConn)
	announce(conn.LocalAddr().String())
	block := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(block)
		if err != nil {
			return err
		}
		if n > 0 && block[0] == echoed {
			if _, err := conn.WriteToUDPAddrPort(block[:n], from); err != nil {
				return err
			}
		}
	}
}

// serveUDPGnet is gnet at default settings.
func serveUDPGnet(addr string, _ bool) error {
	// gnet does not tell the port that it got: find a free one.
	packets, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	addr = packets.LocalAddr().String()
	if err := packets.Close(); err != nil {
		return err
	}
	return gnet.Run(&udpHandler{addr: addr}, "udp://"+addr)
}

type udpHandler struct {
	gnet.BuiltinEventEngine
	addr string
}

func (h *udpHandler) OnBoot(gnet.Engine) gnet.Action {
	announce(h.addr)
	return gnet.None
}

func (h *udpHandler) OnTraffic(conn gnet.Conn) gnet.Action {
	datagram, err := conn.Next(-1)
	if err != nil || len(datagram) == 0 || datagram[0] != echoed {
		return gnet.None
	}
	conn.Write(datagram)
	return gnet.None
}
