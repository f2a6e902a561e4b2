// Talks to the key-value store with rueidis and its defaults: RESP3, pipelining over few connections,
// tracking that each command opts in to.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

func main() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{os.Args[1]}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for caller := 0; caller < 20; caller++ {
		all.Add(1)
		go func() {
			defer all.Done()
			key := fmt.Sprintf("key:%d", caller)
			for n := 1; n <= 50; n++ {
				got, err := client.Do(ctx, client.B().Incr().Key(key).Build()).AsInt64()
				if err != nil || got != int64(n) {
					log.Fatal(key, got, err)
				}
			}
		}()
	}
	all.Wait()
	_, err = client.Do(ctx, client.B().Get().Key("none").Build()).ToString()
	if !rueidis.IsRedisNil(err) {
		log.Fatal("a key that is not there: ", err)
	}
	client.Do(ctx, client.B().Hset().Key("h").FieldValue().FieldValue("f", "v").Build())
	hash, err := client.Do(ctx, client.B().Hgetall().Key("h").Build()).AsStrMap()
	fmt.Println(hash, err)
	client.Do(ctx, client.B().Sadd().Key("s").Member("m").Build())
	set, err := client.Do(ctx, client.B().Smembers().Key("s").Build()).AsStrSlice()
	fmt.Println(set, err)
}
