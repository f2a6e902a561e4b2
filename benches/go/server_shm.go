package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/cloudwego/shmipc-go"
)

// serveShm is shmipc-go over shared memory: a goroutine for each stream, which flushes when no other
// request has come. Its address is the path of a Unix socket.
func serveShm(path string, _ bool) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	announce(path)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		config := shmipc.DefaultConfig()
		config.LogOutput = io.Discard
		config.InitializeTimeout = 5 * time.Second
		config.MemMapType = shmipc.MemMapTypeMemFd
		go func() {
			session, err := shmipc.Server(conn, config)
			if err != nil {
				fmt.Fprintln(os.Stderr, "session:", err)
				return
			}
			for {
				stream, err := session.AcceptStream()
				if err != nil {
					return
				}
				go shmStream(stream)
			}
		}()
	}
}

func shmStream(stream *shmipc.Stream) {
	defer stream.Close()
	reader, writer := stream.BufferReader(), stream.BufferWriter()
	for {
		field, err := reader.ReadBytes(lengthBytes)
		if err != nil {
			return
		}
		length, err := payloadLen(field)
		if err != nil {
			return
		}
		head, err := writer.Reserve(lengthBytes)
		if err != nil {
			return
		}
		copy(head, field)
		payload, err := reader.ReadBytes(length)
		if err != nil {
			return
		}
		if asksToSleep(payload) {
			time.Sleep(slowTime)
		}
		if _, err := writer.WriteBytes(payload); err != nil {
			return
		}
		reader.ReleasePreviousRead()
		if reader.Len() > 0 {
			continue
		}
		if err := stream.Flush(false); err != nil {
			return
		}
	}
}
