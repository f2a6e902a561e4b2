package main

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/bytedance/gopkg/util/gopool"
	"github.com/cloudwego/netpoll"
	"github.com/cloudwego/netpoll/mux"
)

type queueKey struct{}

// serveNetpoll is CloudWeGo Netpoll at default settings. Side by side, each request goes to gopool,
// and its reply to the connection's ShardQueue.
func serveNetpoll(addr string, sideBySide bool) error {
	listener, err := netpoll.CreateListener("tcp", addr)
	if err != nil {
		return err
	}
	onRequest := netpollInSeries
	var options []netpoll.Option
	if sideBySide {
		onRequest = netpollSideBySide
		options = append(options, netpoll.WithOnPrepare(func(conn netpoll.Connection) context.Context {
			return context.WithValue(context.Background(), queueKey{}, mux.NewShardQueue(mux.ShardSize, conn))
		}))
	}
	loop, err := netpoll.NewEventLoop(onRequest, options...)
	if err != nil {
		return err
	}
	announce(listener.Addr().String())
	return loop.Serve(listener)
}

func netpollInSeries(_ context.Context, conn netpoll.Connection) error {
	request, err := readRequest(conn.Reader())
	if err != nil {
		return closing(conn, err)
	}
	if err := writeReply(conn.Writer(), request); err != nil {
		return closing(conn, err)
	}
	return closing(conn, conn.Writer().Flush())
}

func netpollSideBySide(ctx context.Context, conn netpoll.Connection) error {
	queue := ctx.Value(queueKey{}).(*mux.ShardQueue)
	reader := conn.Reader()
	field, err := reader.Peek(lengthBytes)
	if err != nil {
		return closing(conn, err)
	}
	length, err := payloadLen(field)
	if err != nil {
		return closing(conn, err)
	}
	frame, err := reader.Slice(lengthBytes + length)
	if err != nil {
		return closing(conn, err)
	}
	gopool.Go(func() {
		request, err := readRequest(frame)
		if err != nil {
			return
		}
		reply := netpoll.NewLinkBuffer()
		if writeReply(reply, request) != nil || reply.Flush() != nil {
			return
		}
		queue.Add(func() (netpoll.Writer, bool) { return reply, false })
	})
	return nil
}

// readRequest takes a request's payload out of the buffer.
func readRequest(reader netpoll.Reader) (string, error) {
	field, err := reader.Next(lengthBytes)
	if err != nil {
		return "", err
	}
	length, err := payloadLen(field)
	if err != nil {
		return "", err
	}
	request, err := reader.ReadString(length)
	if err != nil {
		return "", err
	}
	return request, reader.Release()
}

// writeReply is the handler: the reply is a copy of the request.
func writeReply(writer netpoll.Writer, request string) error {
	if len(request) > 0 && request[0] == 1 {
		time.Sleep(slowTime)
	}
	field, err := writer.Malloc(lengthBytes)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(field, uint32(len(request)))
	_, err = writer.WriteString(request)
	return err
}

func closing(conn netpoll.Connection, err error) error {
	if err != nil {
		conn.Close()
	}
	return err
}
