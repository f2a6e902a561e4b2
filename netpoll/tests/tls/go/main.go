// Go's crypto/tls as a client and as a server of frames: four bytes of length, then so many bytes.
//
//	main client ADDRESS CA VERSION [CERT KEY]   two connections, the second of which resumes
//	main server CERT KEY [CA]                   echoes; with CA it asks for clients' certificates
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	return value
}

func pool(file string) *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(must(os.ReadFile(file))) {
		must(0, errors.New("no certificate in "+file))
	}
	return pool
}

func main() {
	args := os.Args[2:]
	if os.Args[1] == "server" {
		serve(args)
	} else {
		call(args)
	}
}

func call(args []string) {
	config := &tls.Config{
		RootCAs:            pool(args[1]),
		ServerName:         "localhost",
		NextProtos:         []string{"other", "rpc"},
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	if args[2] == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	if len(args) > 3 {
		config.Certificates = []tls.Certificate{must(tls.LoadX509KeyPair(args[3], args[4]))}
	}
	for i := 0; i < 2; i++ {
		conn := must(tls.Dial("tcp", args[0], config))
		for _, size := range []int{0, 1, 16384, 300000} {
			frame := binary.BigEndian.AppendUint32(nil, uint32(size))
			for n := 0; n < size; n++ {
				frame = append(frame, byte(n%251))
			}
			must(conn.Write(frame))
			back := make([]byte, len(frame))
			must(io.ReadFull(conn, back))
			if !bytes.Equal(back, frame) {
				must(0, fmt.Errorf("%d bytes came back changed", size))
			}
		}
		// This side ends; the server's close_notify follows, which Go tells from a cut stream.
		must(0, conn.CloseWrite())
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			must(0, fmt.Errorf("no orderly end: %d, %v", n, err))
		}
		state := conn.ConnectionState()
		fmt.Printf("%#x %s %t\n", state.Version, state.NegotiatedProtocol, state.DidResume)
		conn.Close()
	}
}

func serve(args []string) {
	config := &tls.Config{
		Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(args[0], args[1]))},
		NextProtos:   []string{"rpc"},
	}
	if len(args) > 2 {
		config.ClientCAs = pool(args[2])
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	listener := must(tls.Listen("tcp", "127.0.0.1:0", config))
	fmt.Println(listener.Addr())
	for {
		conn := must(listener.Accept())
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}
