package settings

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secretBytes is the length of the secret that this package makes, and the least
// that it takes.
const secretBytes = 32

// maxSecretBytes bounds what is read: a larger file is something else.
const maxSecretBytes = 4096

// Secret is what all members of an ensemble share. It prints as [redacted];
// what is needed of it comes from Derive.
type Secret struct{ bytes []byte }

// String is not the secret.
func (Secret) String() string { return "[redacted]" }

// GoString is not the secret either.
func (Secret) GoString() string { return "settings.Secret{[redacted]}" }

// MarshalText is not the secret either.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// The purposes that keys are derived for. Changing one of these texts ends what
// was made with its key.
const (
	PurposeSessions = "session passwords"
	PurposeTokens   = "access tokens"
	PurposeNodes    = "node identity"
	PurposeCalls    = "calls between nodes"
	PurposeBackend  = "identity to a ZooKeeper ensemble"
)

// Derive is the key for one purpose, 32 bytes. Keys of different purposes tell
// nothing about each other or about the secret.
func (s Secret) Derive(purpose string) ([]byte, error) {
	if len(s.bytes) < secretBytes {
		return nil, errors.New("settings: there is no secret to derive from")
	}
	return hkdf.Key(sha256.New, s.bytes, nil, "zensus "+purpose, 32)
}

// NewSecret is a secret that the caller holds already.
func NewSecret(b []byte) (Secret, error) {
	if len(b) < secretBytes {
		return Secret{}, fmt.Errorf("a secret of %d bytes, at least %d are needed", len(b), secretBytes)
	}
	return Secret{bytes: append([]byte(nil), b...)}, nil
}

// LoadSecret reads the secret from SecretFile. Where that is blank it is the file
// "secret" of the data directory, which is made if it is not there.
func (s *Settings) LoadSecret() (Secret, error) {
	if s.SecretFile != "" {
		secret, err := readSecret(s.SecretFile)
		if err != nil {
			return Secret{}, fmt.Errorf("secret_file: %w", err)
		}
		return secret, nil
	}
	file := filepath.Join(s.DataDir, "secret")
	secret, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(file); err != nil {
			return Secret{}, fmt.Errorf("data_dir: %w", err)
		}
		secret, err = readSecret(file)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("secret: %w", err)
	}
	return secret, nil
}

// CheckSecret returns the error of LoadSecret, as far as it can be told without
// making a secret, and by somebody who may not read the one that is there.
func (s *Settings) CheckSecret() error {
	key, file := "secret_file", s.SecretFile
	if file == "" {
		key, file = "secret", filepath.Join(s.DataDir, "secret")
	}
	_, err := readSecret(file)
	if err == nil || errors.Is(err, fs.ErrPermission) || s.SecretFile == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

// readSecret refuses a file that others can read: what it protects would be
// theirs.
func readSecret(file string) (Secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Secret{}, err
	}
	if st.Mode().Perm()&0o007 != 0 {
		return Secret{}, fmt.Errorf("%s can be read by everybody; make it 0600", file)
	}
	if st.Size() < secretBytes || st.Size() > maxSecretBytes {
		return Secret{}, fmt.Errorf("%s has %d bytes; %d to %d are a secret", file, st.Size(), secretBytes, maxSecretBytes)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(b)
}

// makeSecret writes a new secret so that the file is whole or not there at all.
// Where another process makes one at the same time, the first one stays.
func makeSecret(file string) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b := make([]byte, secretBytes)
	if _, err := rand.Read(b); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "secret.*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
