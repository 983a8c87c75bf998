package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secretBytes is the length of the secret that members of an ensemble share.
const secretBytes = 32

// secret reads the secret from which every other key is derived. A server whose
// settings name no file has one of its own in its data directory, made at the
// first start.
func (p *plan) secret() ([]byte, error) {
	if p.secretFile != "" {
		b, err := os.ReadFile(p.secretFile)
		if err != nil {
			return nil, fmt.Errorf("secret_file: %w", err)
		}
		if len(b) < secretBytes {
			return nil, fmt.Errorf("secret_file: %s has %d bytes, at least %d are needed", p.secretFile, len(b), secretBytes)
		}
		return b, nil
	}
	file := filepath.Join(p.dataDir, "secret")
	b, err := os.ReadFile(file)
	if err == nil && len(b) == secretBytes {
		return b, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s has %d bytes, not %d: it was cut or is not a secret", file, len(b), secretBytes)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return makeSecret(file)
}

// makeSecret writes a new secret so that it is whole or not there at all.
func makeSecret(file string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	b := make([]byte, secretBytes)
	rand.Read(b)
	tmp := file + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	return b, os.Rename(tmp, file)
}
