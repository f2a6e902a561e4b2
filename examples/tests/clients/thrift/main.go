// Calls the calculator with the codecs of CloudWeGo's gopkg: TTHeader and Thrift's binary protocol, many
// calls in flight on each connection, with and without a length before the payload.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudwego/gopkg/protocol/thrift"
	"github.com/cloudwego/gopkg/protocol/ttheader"
)

const connections, calls = 4, 2000

var codec thrift.BinaryProtocol

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// One call in its frame.
func encode(id int32, method string, a, b int64, framed bool) []byte {
	message := codec.AppendMessageBegin(nil, method, thrift.CALL, id)
	for number, value := range []int64{a, b} {
		message = codec.AppendFieldBegin(message, thrift.I64, int16(number+1))
		message = codec.AppendI64(message, value)
	}
	message = codec.AppendFieldStop(message)
	if framed {
		message = append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
	}
	frame, err := ttheader.EncodeToBytes(context.Background(), ttheader.EncodeParam{
		Flags:   ttheader.HeaderFlagSupportOutOfOrder,
		SeqID:   id,
		IntInfo: map[uint16]string{ttheader.ToMethod: method},
		StrInfo: map[string]string{ttheader.HeaderIDLServiceName: "Calculator"},
	})
	check(err)
	// The length before all counts neither itself nor what was encoded before it.
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4+len(message)))
	return append(frame, message...)
}

// The next answer: its number, and its value or the exception's number.
func decode(in *bufio.Reader, framed bool) (id int32, value int64, exception bool) {
	var length [4]byte
	_, err := io.ReadFull(in, length[:])
	check(err)
	frame := make([]byte, 4+binary.BigEndian.Uint32(length[:]))
	copy(frame, length[:])
	_, err = io.ReadFull(in, frame[4:])
	check(err)
	header, err := ttheader.DecodeFromBytes(context.Background(), frame)
	check(err)
	payload := frame[len(frame)-header.PayloadLen:]
	if framed {
		if int(binary.BigEndian.Uint32(payload)) != len(payload)-4 {
			log.Fatal("a wrong length before the payload")
		}
		payload = payload[4:]
	}
	_, kind, seq, n, err := codec.ReadMessageBegin(payload)
	check(err)
	if seq != header.SeqID {
		log.Fatalf("%d within %d", seq, header.SeqID)
	}
	payload = payload[n:]
	if kind == thrift.EXCEPTION {
		return seq, 0, true
	}
	_, _, n, err = codec.ReadFieldBegin(payload)
	check(err)
	value, _, err = codec.ReadI64(payload[n:])
	check(err)
	return seq, value, false
}

func main() {
	var all sync.WaitGroup
	var exceptions atomic.Int64
	for number := 0; number < connections; number++ {
		framed := number%2 == 0
		conn, err := net.DialTimeout("tcp", os.Args[1], 20*time.Second)
		check(err)
		check(conn.SetDeadline(time.Now().Add(60 * time.Second)))
		all.Add(2)
		go func() {
			defer all.Done()
			for id := int32(0); id < calls; id++ {
				method, b := "add", int64(id)
				switch id % 4 {
				case 1:
					method = "divide"
				case 2:
					method, b = "divide", 0
				}
				_, err := conn.Write(encode(id, method, 1000, b, framed))
				check(err)
			}
		}()
		go func() {
			defer all.Done()
			in, seen := bufio.NewReader(conn), map[int32]bool{}
			for len(seen) < calls {
				id, value, exception := decode(in, framed)
				if seen[id] {
					log.Fatal("answered twice: ", id)
				}
				seen[id] = true
				wanted := 1000 + int64(id)
				if id%4 == 1 {
					wanted = 1000 / int64(id)
				}
				if exception != (id%4 == 2) || !exception && value != wanted {
					log.Fatal(id, value, exception)
				}
				if exception {
					exceptions.Add(1)
				}
			}
		}()
	}
	all.Wait()
	fmt.Printf("%d calls, %d exceptions\n", connections*calls, exceptions.Load())
}
