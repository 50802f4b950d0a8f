// Package policypackage makes what the functions read of a policy: the file as people review
// it, and its JSON form. The build puts both beside a function; a layer of Lambda gives them
// to functions that are deployed already.
package policypackage

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"sgward/internal/policy"
	"sgward/internal/policy/document"
	"sgward/internal/policyfile"
	"sgward/internal/policyyaml"
)

// Form returns the JSON form of a policy file. A policy that is not sound has none: the error
// is a policy.Problems.
func Form(name string, data []byte) ([]byte, error) {
	d := policyyaml.Document(name, data)
	if _, err := policy.Compile(d); err != nil {
		return nil, err
	}
	form, err := d.JSON()
	if err != nil {
		return nil, err
	}
	// As the functions will do.
	read, err := document.FromJSON(name, form)
	if err == nil {
		_, err = policy.Compile(read)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the JSON form of %s again: %w", name, err)
	}
	return form, nil
}

// Write writes a policy and its JSON form into a folder, under a name such as "policy.yaml".
func Write(folder, name string, data []byte) error {
	form, err := Form(name, data)
	if err != nil {
		return err
	}
	for file, content := range map[string][]byte{name: data, document.JSONName(name): form} {
		path := filepath.Join(folder, file)
		err := os.WriteFile(path, content, readable)
		if err == nil {
			err = os.Chmod(path, readable) // whatever the umask, and the mode that it had
		}
		if err != nil {
			return fmt.Errorf("writing the policy: %w", err)
		}
	}
	return nil
}

// Layer returns the archive of a layer that holds the policy as policyfile.InLayer, and its
// JSON form beside it. The same policy gives the same bytes, in every release that has this
// JSON form: the files are stored, as the output of Go's compressor may change, and have a
// fixed time and mode. A policy is one file: the language has no includes.
func Layer(data []byte) ([]byte, error) {
	form, err := Form(policyfile.InLayer, data)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	if err := store(archive, policyfile.InLayer, data); err != nil {
		return nil, err
	}
	if err := store(archive, document.JSONName(policyfile.InLayer), form); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func store(archive *zip.Writer, name string, content []byte) error {
	size := uint64(len(content))
	file := &zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
		CompressedSize64: size, UncompressedSize64: size,
		ModifiedDate: 1<<5 | 1, //nolint:staticcheck // 1 January 1980, the first day of the format; a raw file takes no other
	}
	file.SetMode(readable)
	// Raw, so that the sizes stand before the content: not every program reads stored files
	// whose sizes follow.
	w, err := archive.CreateRaw(file)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// readable lets the functions read the files: they run as another user than their owner.
const readable fs.FileMode = 0o644
