// Entries per second of Tessera's POSIX log, as a yardstick for bench.ingest.
//
// Entries of the size of our records are added by so many callers at a time, each waiting until its
// entry has its index and is integrated; the time ends when a signed checkpoint covers the last one.
// Tessera verifies no signatures of entries and gives no receipts.
//
//	go run . -dir DIR -entries 16000 -size 1100 -callers 1024
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"log"
	"os"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	dir := flag.String("dir", "", "directory of the log; it must not exist")
	entries := flag.Int("entries", 16000, "number of entries")
	size := flag.Int("size", 1100, "bytes of an entry")
	callers := flag.Int("callers", 1024, "entries in flight at a time")
	flag.Parse()
	if *dir == "" || *entries < 1 || *callers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	rate, err := measure(*dir, *entries, *size, *callers)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{"entries_per_s": rate}); err != nil {
		log.Fatal(err)
	}
}

func measure(dir string, entries, size, callers int) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	secret, _, err := note.GenerateKey(rand.Reader, "bench.example/log")
	if err != nil {
		return 0, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return 0, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return 0, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(1024, 10*time.Millisecond)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return 0, err
	}
	data := make([][]byte, entries)
	for i := range data {
		data[i] = make([]byte, size)
		if _, err := rand.Read(data[i]); err != nil {
			return 0, err
		}
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond)
	work := make(chan []byte)
	failures := make(chan error, callers)
	var group sync.WaitGroup
	begun := time.Now()
	for range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			for one := range work {
				if _, _, err := awaiter.Await(ctx, appender.Add(ctx, tessera.NewEntry(one))); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	for _, one := range data {
		select {
		case work <- one:
		case err := <-failures:
			return 0, err
		}
	}
	close(work)
	group.Wait()
	took := time.Since(begun)
	select {
	case err := <-failures:
		return 0, err
	default:
	}
	return float64(entries) / took.Seconds(), shutdown(ctx)
}
