package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
)

var errDiffers = errors.New("the reply differs from the request")

type netConn struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dialNet(addr string) (netConn, error) {
	conn, err := net.Dial("tcp", addr)
	return netConn{conn, bufio.NewReader(conn)}, err
}

func callersNet(shape shape) ([]caller, error) {
	callers := make([]caller, shape.callers)
	if shape.shared {
		shared := make([]*netMux, shape.conns)
		for i := range shared {
			conn, err := dialNet(shape.addr)
			if err != nil {
				return nil, err
			}
			shared[i] = &netMux{netConn: conn}
			go shared[i].receiveAll()
		}
		for i := range callers {
			callers[i] = shared[i%len(shared)]
		}
		return callers, nil
	}
	pool := make(chan netConn, shape.conns)
	for range shape.conns {
		conn, err := dialNet(shape.addr)
		if err != nil {
			return nil, err
		}
		pool <- conn
	}
	for i := range callers {
		callers[i] = &netPool{conns: pool}
	}
	return callers, nil
}

// netPool takes a connection for each call and gives it back.
type netPool struct {
	conns        chan netConn
	frame, reply []byte
}

func (p *netPool) call(payload []byte) (err error) {
	p.frame = append(binary.BigEndian.AppendUint32(p.frame[:0], uint32(len(payload))), payload...)
	conn := <-p.conns
	if _, err = conn.conn.Write(p.frame); err != nil {
		return err
	}
	if p.reply, err = receive(conn.reader, p.reply); err != nil {
		return err
	}
	p.conns <- conn
	if !bytes.Equal(p.reply, p.frame) {
		return errDiffers
	}
	return nil
}

// netMux sends many calls on one connection; a payload begins with its sequence number.
type netMux struct {
	netConn
	writing sync.Mutex
	next    uint32
	waiting sync.Map
}

func (m *netMux) call(payload []byte) error {
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	reply := make(chan []byte, 1)
	m.writing.Lock()
	m.next = (m.next + 1) % (1 << 24)
	sequence := m.next
	binary.BigEndian.PutUint32(frame[lengthBytes:], sequence)
	m.waiting.Store(sequence, reply)
	_, err := m.conn.Write(frame)
	m.writing.Unlock()
	if err != nil {
		return err
	}
	if !bytes.Equal(<-reply, frame) {
		return errDiffers
	}
	return nil
}

func (m *netMux) receiveAll() {
	for {
		frame, err := receive(m.reader, nil)
		if err != nil {
			break
		}
		sequence := binary.BigEndian.Uint32(frame[lengthBytes:])
		if reply, found := m.waiting.LoadAndDelete(sequence); found {
			reply.(chan []byte) <- frame
		}
	}
	m.waiting.Range(func(_, reply any) bool {
		reply.(chan []byte) <- nil
		return true
	})
}
