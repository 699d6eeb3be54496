// What a log in Go would ask a witness: `witness-client LOG_URL LOG_VKEY WITNESS_URL OLD_SIZE WITNESS_VKEY…` reads the log's
// checkpoint and tiles, submits the checkpoint with the proof from OLD_SIZE, and prints what came of it as JSON: the
// witness keys whose cosignatures verify, or the size that the witness says it has.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	w_http "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type outcome struct {
	Size        int64    `json:"size"`
	Cosigners   []string `json:"cosigners,omitempty"`
	WitnessSize *uint64  `json:"witnessSize,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 6 {
		log.Fatal("usage: witness-client LOG_URL LOG_VKEY WITNESS_URL OLD_SIZE WITNESS_VKEY…")
	}
	result, err := submit(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

func submit(logURL, logKey, witnessURL, old string, witnessKeys []string) (*outcome, error) {
	oldSize, err := strconv.ParseUint(old, 10, 63)
	if err != nil {
		return nil, err
	}
	logVerifier, err := note.NewVerifier(logKey)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(witnessURL)
	if err != nil {
		return nil, err
	}
	checkpoint, err := get(logURL + "/checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := parse(checkpoint, logVerifier)
	if err != nil {
		return nil, err
	}
	proof, err := prove(logURL, tree, int64(oldSize))
	if err != nil {
		return nil, err
	}

	client := w_http.NewWitness(target, &http.Client{Timeout: 10 * time.Second})
	answer, known, err := client.Update(context.Background(), oldSize, checkpoint, proof)
	if errors.Is(err, witness.ErrCheckpointStale) {
		return &outcome{Size: tree.N, WitnessSize: &known}, nil
	}
	if err != nil {
		return nil, err
	}

	verifiers := []note.Verifier{}
	for _, vkey := range witnessKeys {
		verifier, err := f_note.NewVerifierForCosignatureV1(vkey)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", vkey, err)
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(append(checkpoint, answer...), note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	result := &outcome{Size: tree.N}
	for _, signature := range opened.Sigs {
		result.Cosigners = append(result.Cosigners, fmt.Sprintf("%s+%08x", signature.Name, signature.Hash))
	}
	return result, nil
}

func parse(checkpoint []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// prove reads the proof from the log's tiles; sumdb checks them against the root as it goes.
func prove(logURL string, tree tlog.Tree, oldSize int64) ([][]byte, error) {
	if oldSize == 0 || oldSize == tree.N {
		return nil, nil
	}
	hashes, err := tlog.ProveTree(tree.N, oldSize, tlog.TileHashReader(tree, &tiles{logURL}))
	if err != nil {
		return nil, err
	}
	proof := [][]byte{}
	for _, hash := range hashes {
		proof = append(proof, hash[:])
	}
	return proof, nil
}

type tiles struct{ logURL string }

func (t *tiles) Height() int { return 8 }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	found := [][]byte{}
	for _, tile := range wanted {
		// Path says tile/8/LEVEL/…, C2SP tlog-tiles leaves out the height.
		data, err := get(t.logURL + "/" + strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func get(url string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}
