// Peers written in Go: servers, clients and proxies of the echo benchmark.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"os"
)

var servers = map[string]func(addr string, sideBySide bool) error{
	"go-net":      serveNet,
	"go-netpoll":  serveNetpoll,
	"go-gnet":     serveGnet,
	"shm-go":      serveShm,
	"udp-go-net":  serveUDPNet,
	"udp-go-gnet": serveUDPGnet,
}

// tlsConfig is what connections speak TLS with; nil for plain ones.
var tlsConfig *tls.Config

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: %s server|client|proxy PEER [flags]", os.Args[0]))
	}
	var err error
	switch role, peer := os.Args[1], os.Args[2]; role {
	case "server":
		err = server(peer, os.Args[3:])
	case "proxy":
		err = proxy(peer, os.Args[3:])
	case "client":
		err = client(peer, os.Args[3:])
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fail(err)
	}
}

func server(peer string, args []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "where to listen")
	sideBySide := flags.Bool("side-by-side", false, "run the handlers of one connection side by side")
	secure := flags.Bool("tls", false, "speak TLS, with the certificate and key in NETPOLL_BENCH_IDENTITY")
	if err := flags.Parse(args); err != nil {
		return err
	}
	serve, known := servers[peer]
	if !known {
		return fmt.Errorf("no server %q", peer)
	}
	if *secure {
		if peer != "go-net" {
			return fmt.Errorf("%s speaks no TLS", peer)
		}
		identity := []byte(os.Getenv("NETPOLL_BENCH_IDENTITY"))
		own, err := tls.X509KeyPair(identity, identity)
		if err != nil {
			return err
		}
		tlsConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	}
	go exitWithStdin()
	return serve(*listen, *sideBySide)
}

func proxy(peer string, args []string) error {
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "where to listen")
	to := flags.String("to", "", "where the connections go")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if peer != "go-net" {
		return fmt.Errorf("no proxy %q", peer)
	}
	go exitWithStdin()
	return passNet(*listen, *to)
}

// exitWithStdin ends the process when its standard input does, so that it does not outlive its runner.
func exitWithStdin() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// announce tells whoever started this process where it listens.
func announce(addr string) {
	fmt.Printf("listening on %s\n", addr)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
