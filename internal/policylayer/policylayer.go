// Package policylayer makes the layer of Lambda that gives a policy to the functions, in
// place of the one that they are packed with.
package policylayer

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"io/fs"

	"sgward/internal/policyfile"
)

// Zip returns the layer's archive: the policy as policyfile.InLayer, and nothing else. The
// same policy gives the same bytes, in every release: the file is stored, as the output of
// Go's compressor may change, and has a fixed time and mode. A policy is one file: the
// language has no includes.
func Zip(policy []byte) ([]byte, error) {
	size := uint64(len(policy))
	file := &zip.FileHeader{
		Name: policyfile.InLayer, Method: zip.Store, CRC32: crc32.ChecksumIEEE(policy),
		CompressedSize64: size, UncompressedSize64: size,
		ModifiedDate: 1<<5 | 1, //nolint:staticcheck // 1 January 1980, the first day of the format; a raw file takes no other
	}
	file.SetMode(readable)
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	// Raw, so that the sizes stand before the content: not every program reads stored files
	// whose sizes follow.
	w, err := archive.CreateRaw(file)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(policy); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readable lets the functions read the file: they run as another user than its owner.
const readable fs.FileMode = 0o644
