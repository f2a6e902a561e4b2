package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// caller makes one call after another; a call returns when its reply is there and verified.
type caller interface {
	call(request []byte) error
}

// clients make the callers of a peer: with a connection for each of them taken from a pool for each
// call, or on shared connections.
var clients = map[string]func(shape shape) ([]caller, error){
	"go-net":     callersNet,
	"go-netpoll": callersNetpoll,
}

type shape struct {
	addr    string
	conns   int
	callers int
	shared  bool
}

type result struct {
	Requests   uint64  `json:"requests"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Errors     uint64  `json:"errors"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	P999       float64 `json:"p999_us"`
}

func client(peer string, args []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	var shape shape
	flags.StringVar(&shape.addr, "addr", "", "where the server listens")
	flags.IntVar(&shape.conns, "conns", 100, "connections")
	flags.IntVar(&shape.callers, "callers", 100, "callers side by side")
	flags.BoolVar(&shape.shared, "shared", false, "callers share the connections, replies are matched")
	size := flags.Int("size", 1024, "bytes of a payload")
	secs := flags.Float64("secs", 1, "seconds to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	connect, known := clients[peer]
	if !known {
		return fmt.Errorf("no client %q", peer)
	}
	callers, err := connect(shape)
	if err != nil {
		return err
	}
	measure(callers, *size, time.Duration(*secs*float64(time.Second)))
	return nil
}

// measure runs all callers: a warm-up, then the measured time.
func measure(callers []caller, size int, length time.Duration) {
	var measuring, stopped atomic.Bool
	var requests, errors atomic.Uint64
	latencies := make([][]float64, len(callers))
	var running sync.WaitGroup
	for index, caller := range callers {
		running.Add(1)
		go func() {
			defer running.Done()
			payload := make([]byte, size)
			for i := lengthBytes; i < size; i++ {
				payload[i] = byte(i*7 + index)
			}
			for !stopped.Load() {
				begin := time.Now()
				if err := caller.call(payload); err != nil {
					errors.Add(1)
					return
				}
				if measuring.Load() {
					requests.Add(1)
					latencies[index] = append(latencies[index], float64(time.Since(begin))/1e3)
				}
			}
		}()
	}
	time.Sleep(length / 10)
	cpu, begin := cpuTime(), time.Now()
	measuring.Store(true)
	time.Sleep(length)
	measuring.Store(false)
	cpu, seconds := cpuTime()-cpu, time.Since(begin).Seconds()
	stopped.Store(true)
	running.Wait()

	all := slices.Concat(latencies...)
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[int(float64(len(all)-1)*share)]
	}
	json.NewEncoder(os.Stdout).Encode(result{
		Requests: requests.Load(), Seconds: seconds, CPUSeconds: cpu.Seconds(),
		Errors: errors.Load(), P50: at(0.5), P99: at(0.99), P999: at(0.999),
	})
}

// cpuTime is the processor time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
