// A peer over shmipc-go, for the tests: frames of four bytes of length, big-endian, and a body.
//
//	shmipc server PATH            echoes frames until its standard input ends
//	shmipc client PATH VERSION STREAMS CALLS MOST   calls, and compares what comes back
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/cloudwego/shmipc-go"
)

func config(name string, version int) *shmipc.Config {
	c := shmipc.DefaultConfig()
	c.LogOutput = io.Discard
	c.InitializeTimeout = 5 * time.Second
	if version == 3 {
		c.MemMapType = shmipc.MemMapTypeMemFd
	}
	dir := os.TempDir()
	c.ShareMemoryPathPrefix = fmt.Sprintf("%s/%s-%d", dir, name, os.Getpid())
	c.QueuePath = fmt.Sprintf("%s/%s-%d-queue", dir, name, os.Getpid())
	return c
}

func serve(path string) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	fmt.Println("listening")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			session, err := shmipc.Server(conn, config("netpoll-go-server", 3))
			if err != nil {
				fmt.Fprintln(os.Stderr, "session:", err)
				return
			}
			for {
				stream, err := session.AcceptStream()
				if err != nil {
					return
				}
				go echo(stream)
			}
		}()
	}
}

func echo(stream *shmipc.Stream) {
	defer stream.Close()
	for {
		body, err := read(stream)
		if err != nil {
			return
		}
		if err := write(stream, body); err != nil {
			return
		}
	}
}

func read(stream *shmipc.Stream) ([]byte, error) {
	head, err := stream.BufferReader().ReadBytes(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	body := make([]byte, 0, n)
	if n > 0 {
		part, err := stream.BufferReader().ReadBytes(n)
		if err != nil {
			return nil, err
		}
		body = append(body, part...)
	}
	stream.BufferReader().ReleasePreviousRead()
	return body, nil
}

func write(stream *shmipc.Stream, body []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(body)))
	if _, err := stream.BufferWriter().WriteBytes(head[:]); err != nil {
		return err
	}
	if len(body) > 0 {
		if _, err := stream.BufferWriter().WriteBytes(body); err != nil {
			return err
		}
	}
	return stream.Flush(false)
}

func call(path string, version, streams, calls, most int) error {
	conf := shmipc.DefaultSessionManagerConfig()
	conf.Config = config("netpoll-go-client", version)
	conf.Network = "unix"
	conf.Address = path
	conf.SessionNum = 1
	conf.UnixPath = path
	manager, err := shmipc.NewSessionManager(conf)
	if err != nil {
		return err
	}
	defer manager.Close()
	failed := make(chan error, streams)
	var wait sync.WaitGroup
	for s := 0; s < streams; s++ {
		wait.Add(1)
		go func(s int) {
			defer wait.Done()
			stream, err := manager.GetStream()
			if err != nil {
				failed <- err
				return
			}
			defer stream.Close()
			for n := 0; n < calls; n++ {
				if n%1000 == 0 {
					stream.SetDeadline(time.Now().Add(60 * time.Second))
				}
				body := bytes.Repeat([]byte{byte(s + n)}, (n*7919+s*31)%(most+1))
				if err := write(stream, body); err != nil {
					failed <- fmt.Errorf("stream %d, call %d: write: %w", s, n, err)
					return
				}
				got, err := read(stream)
				if err != nil {
					failed <- fmt.Errorf("stream %d, call %d: read: %w", s, n, err)
					return
				}
				if !bytes.Equal(got, body) {
					failed <- fmt.Errorf("stream %d, call %d: %d bytes differ", s, n, len(body))
					return
				}
			}
		}(s)
	}
	wait.Wait()
	select {
	case err := <-failed:
		return err
	default:
		fmt.Printf("%d calls\n", streams*calls)
		return nil
	}
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "server":
		err = serve(os.Args[2])
	case len(os.Args) == 7 && os.Args[1] == "client":
		var n [4]int
		for i := range n {
			if n[i], err = strconv.Atoi(os.Args[3+i]); err != nil {
				break
			}
		}
		if err == nil {
			err = call(os.Args[2], n[0], n[1], n[2], n[3])
		}
	default:
		err = fmt.Errorf("usage: shmipc server PATH | client PATH VERSION STREAMS CALLS MOST")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
