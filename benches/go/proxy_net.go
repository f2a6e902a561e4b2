package main

import (
	"io"
	"net"
	"sync"
)

// passNet is the standard library: two goroutines for each connection, and io.Copy, which splices.
func passNet(addr string, to string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	announce(listener.Addr().String())
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(client.(*net.TCPConn), to)
	}
}

func pass(client *net.TCPConn, to string) {
	defer client.Close()
	dialled, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	var both sync.WaitGroup
	for _, way := range [2][2]*net.TCPConn{{client, server}, {server, client}} {
		both.Add(1)
		go func() {
			defer both.Done()
			io.Copy(way[1], way[0])
			way[1].CloseWrite()
		}()
	}
	both.Wait()
}
