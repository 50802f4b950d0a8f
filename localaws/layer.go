package localaws

import (
	"archive/zip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sgward/localaws/samtemplate"
)

// optFolder is where Lambda unpacks layers.
const optFolder = "/opt/"

// mountLayers unpacks the layers of a function into a folder, in the order of the template,
// and lets the variables that name a path in /opt name it there: a process here shares the
// root of this machine.
func (s *Stack) mountLayers(t samtemplate.Function, env map[string]string) error {
	if len(t.Layers) == 0 {
		return nil
	}
	opt, err := s.folder("layers-" + t.LogicalID)
	if err != nil {
		return err
	}
	for _, layer := range t.Layers {
		archive, ok := s.cfg.Layers[layer]
		if !ok {
			return fmt.Errorf("wiring %s: its layer %s has no archive here", t.LogicalID, layer)
		}
		if err := unpack(archive, opt); err != nil {
			return fmt.Errorf("wiring %s: unpacking layer %s: %w", t.LogicalID, layer, err)
		}
	}
	for name, value := range env {
		if path, in := strings.CutPrefix(value, optFolder); in {
			env[name] = filepath.Join(opt, filepath.FromSlash(path))
		}
	}
	return nil
}

// unpack writes the files of an archive below a folder. One that is there already is an
// error; in Lambda the later layer wins.
func unpack(archive, folder string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	return os.CopyFS(folder, r)
}
