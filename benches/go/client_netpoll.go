package main

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudwego/netpoll"
	"github.com/cloudwego/netpoll/mux"
)

func dialNetpoll(addr string) (netpoll.Connection, error) {
	return netpoll.DialConnection("tcp", addr, 5*time.Second)
}

func callersNetpoll(shape shape) ([]caller, error) {
	callers := make([]caller, shape.callers)
	if shape.shared {
		shared := make([]*netpollMux, shape.conns)
		for i := range shared {
			conn, err := dialNetpoll(shape.addr)
			if err != nil {
				return nil, err
			}
			shared[i] = &netpollMux{queue: mux.NewShardQueue(mux.ShardSize, conn)}
			if err := conn.SetOnRequest(shared[i].receive); err != nil {
				return nil, err
			}
		}
		for i := range callers {
			callers[i] = shared[i%len(shared)]
		}
		return callers, nil
	}
	pool := make(chan netpoll.Connection, shape.conns)
	for range shape.conns {
		conn, err := dialNetpoll(shape.addr)
		if err != nil {
			return nil, err
		}
		pool <- conn
	}
	for i := range callers {
		callers[i] = netpollPool{pool}
	}
	return callers, nil
}

// netpollPool takes a connection for each call and gives it back.
type netpollPool struct{ conns chan netpoll.Connection }

func (p netpollPool) call(payload []byte) error {
	conn := <-p.conns
	if err := writeFrame(conn.Writer(), payload); err != nil {
		return err
	}
	if err := conn.Writer().Flush(); err != nil {
		return err
	}
	reply, err := readRequest(conn.Reader())
	if err != nil {
		return err
	}
	p.conns <- conn
	if reply != string(payload) {
		return errDiffers
	}
	return nil
}

func writeFrame(writer netpoll.Writer, payload []byte) error {
	frame, err := writer.Malloc(lengthBytes + len(payload))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(frame, uint32(len(payload)))
	copy(frame[lengthBytes:], payload)
	return nil
}

// netpollMux sends many calls on one connection; a payload begins with its sequence number.
type netpollMux struct {
	queue   *mux.ShardQueue
	next    atomic.Uint32
	waiting sync.Map
}

func (m *netpollMux) call(payload []byte) error {
	sequence := m.next.Add(1) % (1 << 24)
	binary.BigEndian.PutUint32(payload, sequence)
	replied := make(chan string, 1)
	m.waiting.Store(sequence, replied)
	request := netpoll.NewLinkBuffer()
	if err := writeFrame(request, payload); err != nil {
		return err
	}
	if err := request.Flush(); err != nil {
		return err
	}
	m.queue.Add(func() (netpoll.Writer, bool) { return request, false })
	if <-replied != string(payload) {
		return errDiffers
	}
	return nil
}

func (m *netpollMux) receive(_ context.Context, conn netpoll.Connection) error {
	reply, err := readRequest(conn.Reader())
	if err != nil {
		return closing(conn, err)
	}
	sequence := binary.BigEndian.Uint32([]byte(reply[:4]))
	if replied, found := m.waiting.LoadAndDelete(sequence); found {
		replied.(chan string) <- reply
	}
	return nil
}
