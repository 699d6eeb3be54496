// An OCI registry in memory, with the referrers API: go-containerregistry's own, as its `crane registry serve` leaves that API
// out. It reports a referrer's config media type as artifactType and never its artifactType, which makes it a strict test.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	fmt.Println("ready", listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}
