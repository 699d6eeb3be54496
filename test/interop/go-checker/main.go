// go-checker reads a log of C2SP tiles with the Go project's own transparency log packages and nothing else.
//
//	go-checker URL VERIFIER_KEY [OLDER_CHECKPOINT_FILE]
//
// It rebuilds the tree from the entry bundles, compares every tile that the checkpoint's size implies with what it
// computed, proves sampled records from the tiles, and checks that the older checkpoint is a prefix. It prints one
// JSON object, or the reason on standard error and exit code 1.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile: 256 hashes

type summary struct {
	Origin   string `json:"origin"`
	Size     int64  `json:"size"`
	Root     string `json:"root"`
	Tiles    int    `json:"tiles"`
	Proofs   int    `json:"proofs"`
	OlderOf  int64  `json:"olderSize,omitempty"`
	MaxEntry int    `json:"largestEntry"`
}

func main() {
	found, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-checker:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

func check(args []string) (*summary, error) {
	if len(args) < 2 {
		return nil, errors.New("usage: go-checker URL VERIFIER_KEY [OLDER_CHECKPOINT_FILE]")
	}
	log := reader{url: strings.TrimSuffix(args[0], "/")}
	verifier, err := note.NewVerifier(args[1])
	if err != nil {
		return nil, err
	}
	message, err := log.get("checkpoint")
	if err != nil {
		return nil, err
	}
	origin, tree, err := openCheckpoint(message, verifier)
	if err != nil {
		return nil, err
	}
	hashes, largest, err := log.rebuild(tree.N)
	if err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return nil, err
	}
	if root != tree.Hash {
		return nil, fmt.Errorf("the entries make root %v, the checkpoint says %v", root, tree.Hash)
	}
	tiles, err := log.compareTiles(tree.N, hashes)
	if err != nil {
		return nil, err
	}
	proofs, err := log.proveFromTiles(tree, hashes)
	if err != nil {
		return nil, err
	}
	result := &summary{origin, tree.N, base64.StdEncoding.EncodeToString(tree.Hash[:]), tiles, proofs, 0, largest}
	if len(args) > 2 {
		if result.OlderOf, err = checkOlder(args[2], verifier, tree, hashes); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func openCheckpoint(message []byte, verifier note.Verifier) (string, tlog.Tree, error) {
	signed, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return "", tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return "", tlog.Tree{}, errors.New("the checkpoint is malformed or of another origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return "", tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return lines[0], tlog.Tree{N: size, Hash: hash}, err
}

type reader struct{ url string }

func (r reader) get(path string) ([]byte, error) {
	response, err := http.Get(r.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return body, err
}

// rebuild computes every hash of the tree from the entries alone.
func (r reader) rebuild(size int64) (tlog.HashReader, int, error) {
	var stored []tlog.Hash
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	largest := 0
	for first := int64(0); first < size; first += 1 << height {
		width := min(size-first, 1<<height)
		bundle, err := r.get("tile/entries/" + tilePath(first>>height, width))
		if err != nil {
			return nil, 0, err
		}
		for n := first; n < first+width; n++ {
			if len(bundle) < 2 {
				return nil, 0, fmt.Errorf("the bundle of entry %d is too short", n)
			}
			length := int(bundle[0])<<8 | int(bundle[1])
			if len(bundle) < 2+length {
				return nil, 0, fmt.Errorf("the bundle of entry %d is too short", n)
			}
			added, err := tlog.StoredHashes(n, bundle[2:2+length], hashes)
			if err != nil {
				return nil, 0, err
			}
			stored = append(stored, added...)
			largest = max(largest, length)
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 {
			return nil, 0, fmt.Errorf("the bundle from entry %d has bytes to spare", first)
		}
	}
	return hashes, largest, nil
}

// compareTiles fetches every tile that the size implies, partial ones included.
func (r reader) compareTiles(size int64, hashes tlog.HashReader) (int, error) {
	count := 0
	for level, left := 0, size; left > 0; level, left = level+1, left>>height {
		for index := int64(0); index<<height < left; index++ {
			width := int(min(left-index<<height, 1<<height))
			tile := tlog.Tile{H: height, L: level, N: index, W: width}
			expected, err := tlog.ReadTileData(tile, hashes)
			if err != nil {
				return 0, err
			}
			path := fmt.Sprintf("tile/%d/%s", level, tilePath(index, int64(width)))
			served, err := r.get(path)
			if err != nil {
				return 0, err
			}
			if !bytes.Equal(served, expected) {
				return 0, fmt.Errorf("%s is not what the entries make", path)
			}
			count++
		}
	}
	return count, nil
}

// proveFromTiles proves a thousand records over the tree, each from tiles authenticated against the root.
func (r reader) proveFromTiles(tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	tiles := tlog.TileHashReader(tree, &tileReader{reader: r, known: map[tlog.Tile][]byte{}})
	count := 0
	for n := int64(0); n < tree.N; n += max(1, tree.N/1000) {
		proof, err := tlog.ProveRecord(tree.N, n, tiles)
		if err != nil {
			return 0, err
		}
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaf[0]); err != nil {
			return 0, fmt.Errorf("record %d: %w", n, err)
		}
		count++
	}
	return count, nil
}

func checkOlder(file string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) (int64, error) {
	message, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, older, err := openCheckpoint(message, verifier)
	if err != nil {
		return 0, err
	}
	proof, err := tlog.ProveTree(tree.N, older.N, hashes)
	if err != nil {
		return 0, err
	}
	return older.N, tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
}

type tileReader struct {
	reader
	known map[tlog.Tile][]byte
}

func (t *tileReader) Height() int { return height }

func (t *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, isKnown := t.known[tile]
		if !isKnown {
			var err error
			if data, err = t.get(fmt.Sprintf("tile/%d/%s", tile.L, tilePath(tile.N, int64(tile.W)))); err != nil {
				return nil, err
			}
		}
		found[i] = data
	}
	return found, nil
}

func (t *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		t.known[tile] = data[i]
	}
}

// tilePath is C2SP's: groups of three digits, all but the last with an x; partial tiles end in .p/WIDTH.
func tilePath(index, width int64) string {
	path := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		path = fmt.Sprintf("x%03d/%s", index%1000, path)
	}
	if width < 1<<height {
		path = fmt.Sprintf("%s.p/%d", path, width)
	}
	return path
}
