// go-tuf's updater as a program, with the arguments of every TUF client here: `ROOT_JSON BASE_URL STATE_DIR TARGET…` updates
// STATE_DIR/metadata and downloads the targets into STATE_DIR/targets.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: go-tuf ROOT_JSON BASE_URL STATE_DIR TARGET…")
	}
	if err := update(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		log.Fatal(err)
	}
}

func update(rootPath, baseURL, stateDir string, targets []string) error {
	initialRoot, err := os.ReadFile(rootPath)
	if err != nil {
		return err
	}
	cfg, err := config.New(baseURL, initialRoot)
	if err != nil {
		return err
	}
	cfg.LocalMetadataDir = filepath.Join(stateDir, "metadata")
	cfg.LocalTargetsDir = filepath.Join(stateDir, "targets")
	if err := cfg.EnsurePathsExist(); err != nil {
		return err
	}

	client, err := updater.New(cfg)
	if err != nil {
		return err
	}
	if err := client.Refresh(); err != nil {
		return err
	}
	for _, name := range targets {
		info, err := client.GetTargetInfo(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, _, err := client.DownloadTarget(info, filepath.Join(cfg.LocalTargetsDir, name), ""); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
