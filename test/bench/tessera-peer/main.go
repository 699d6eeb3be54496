// tessera-peer is the log that ours is measured against: Tessera on a POSIX directory, tuned for short waits, answering a
// POST with index, inclusion proof and checkpoint once they are published. It looks at nothing that it is sent.
//
//	tessera-peer DIRECTORY [CHECKPOINT_MILLISECONDS]
//
// Prints "ready http://127.0.0.1:PORT" and serves POST /add until it is told to end.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tessera-peer:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	interval := 100 * time.Millisecond // the shortest that Tessera allows
	if len(args) > 1 {
		milliseconds, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		interval = time.Duration(milliseconds) * time.Millisecond
	}
	key, _, err := note.GenerateKey(rand.Reader, "peer.example")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		return err
	}
	ctx := context.Background()
	driver, err := posix.New(ctx, posix.Config{Path: args[0]})
	if err != nil {
		return err
	}
	appender, _, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(interval).
		WithBatching(1024, 10*time.Millisecond))
	if err != nil {
		return err
	}
	peer := &peer{
		add:    appender.Add,
		await:  tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond),
		reader: reader,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.HandleFunc("POST /add", peer.answer)
	fmt.Printf("ready http://%s\n", listener.Addr())
	return http.Serve(listener, nil)
}

type peer struct {
	add    tessera.AddFn
	await  *tessera.PublicationAwaiter
	reader tessera.LogReader

	mutex   sync.Mutex
	size    uint64
	builder *client.ProofBuilder
}

func (p *peer) answer(w http.ResponseWriter, r *http.Request) {
	if err := p.register(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (p *peer) register(w http.ResponseWriter, r *http.Request) error {
	entry, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	index, checkpoint, err := p.await.Await(r.Context(), p.add(r.Context(), tessera.NewEntry(entry)))
	if err != nil {
		return err
	}
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return err
	}
	path, err := p.prove(r.Context(), index.Index, size)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "index %d\n", index.Index)
	for _, hash := range path {
		text.WriteString(base64.StdEncoding.EncodeToString(hash))
		text.WriteByte('\n')
	}
	text.WriteByte('\n')
	text.Write(checkpoint)
	w.WriteHeader(http.StatusCreated)
	_, err = io.WriteString(w, text.String())
	return err
}

// prove shares one builder, and so its cache of tiles, between all answers under one checkpoint. The cache is a plain
// map, so one proof is made at a time; that costs microseconds.
func (p *peer) prove(ctx context.Context, index, size uint64) ([][]byte, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.builder == nil || p.size != size {
		builder, err := client.NewProofBuilder(ctx, size, p.reader.ReadTile)
		if err != nil {
			return nil, err
		}
		p.size, p.builder = size, builder
	}
	return p.builder.InclusionProof(ctx, index)
}
