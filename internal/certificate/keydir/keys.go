// Package keydir keeps the keys that sign certificates in a directory: one file of
// all public keys, keys.json, and beside it the private part of each, ID.pem. It
// owns the form of the directory, how a key is made, replaced and retired, and the
// following of the directory by a server. It must not know what is signed.
package keydir

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate"
)

// what the files are called in errors.
const what = "the signing keys"

// listed is a key as keys.json has it, in the shape in which the API tells it.
type listed struct {
	ID        certificate.Hash `json:"id"`
	Algorithm string           `json:"algorithm"`
	Public    string           `json:"public"` // PEM
	NotBefore *time.Time       `json:"notBefore,omitempty"`
	RetiredAt *time.Time       `json:"retiredAt,omitempty"`
	Signing   bool             `json:"signing,omitempty"` // told by a server, never kept
}

// list is the file keys.json.
type list struct {
	Items      []listed           `json:"items"`
	Distrusted []certificate.Hash `json:"distrusted,omitempty"`
}

func listFile(dir string) string { return filepath.Join(dir, "keys.json") }

func privateFile(dir string, id certificate.Hash) string {
	return filepath.Join(dir, id.String()+".pem")
}

// parseList reads keys.json strictly.
func parseList(text []byte) (*certificate.Keys, error) {
	var l list
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("not a list of keys in JSON: %w", err)
	}
	all := &certificate.Keys{Distrusted: map[certificate.Hash]bool{}}
	for i, item := range l.Items {
		k, err := item.key()
		if err == nil && all.Find(k.ID) != nil {
			err = fmt.Errorf("key %s is there twice", k.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		all.All = append(all.All, k)
	}
	for _, id := range l.Distrusted {
		all.Distrusted[id] = true
	}
	slices.SortStableFunc(all.All, func(a, b certificate.Key) int { return a.NotBefore.Compare(b.NotBefore) })
	return all, nil
}

func (l listed) key() (certificate.Key, error) {
	if l.Algorithm != certificate.Algorithm {
		return certificate.Key{}, fmt.Errorf("algorithm %.40q is not %s", l.Algorithm, certificate.Algorithm)
	}
	k, err := certificate.ParsePublic([]byte(l.Public))
	if err != nil {
		return k, fmt.Errorf("public: %w", err)
	}
	if k.ID != l.ID {
		return k, fmt.Errorf("id is %s; that of the public key is %s", l.ID, k.ID)
	}
	k.NotBefore, k.RetiredAt = instant(l.NotBefore), instant(l.RetiredAt)
	return k, nil
}

func writeList(k *certificate.Keys) ([]byte, error) {
	l := list{Items: []listed{}}
	for i := range k.All {
		one := &k.All[i]
		l.Items = append(l.Items, listed{
			ID: one.ID, Algorithm: certificate.Algorithm, Public: one.PublicPEM(), NotBefore: known(one.NotBefore), RetiredAt: known(one.RetiredAt),
		})
	}
	for id := range k.Distrusted {
		l.Distrusted = append(l.Distrusted, id)
	}
	slices.SortFunc(l.Distrusted, func(a, b certificate.Hash) int { return slices.Compare(a[:], b[:]) })
	text, err := json.MarshalIndent(l, "", "  ")
	return append(text, '\n'), err
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Read reads a directory of keys: keys.json, and the private part of each key that is there. A private part that others than its owner may
// read is refused, and one that is not that of its key.
func Read(dir string) (*certificate.Keys, error) {
	contents, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	return parseDir(dir, contents)
}

// readDir returns keys.json, and the private part of each key in it in their order, empty where there is none.
func readDir(dir string) ([][]byte, error) {
	text, err := access.ReadPrivate(listFile(dir))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	contents := [][]byte{text}
	all, err := parseList(text)
	if err != nil {
		return contents, nil //nolint:nilerr // parseDir says it, with the name of the file
	}
	for i := range all.All {
		private, err := access.ReadPrivate(privateFile(dir, all.All[i].ID))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		contents = append(contents, private)
	}
	return contents, nil
}

func parseDir(dir string, contents [][]byte) (*certificate.Keys, error) {
	all, err := parseList(contents[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", listFile(dir), err)
	}
	for i, text := range contents[1:] {
		if len(text) == 0 {
			continue
		}
		one := &all.All[i]
		if one.Private, err = certificate.ParsePrivate(text); err != nil {
			return nil, fmt.Errorf("%s: %w", privateFile(dir, one.ID), err)
		}
		if !one.Public.Equal(one.Private.Public()) {
			return nil, fmt.Errorf("%s: it is not the private part of key %s", privateFile(dir, one.ID), one.ID)
		}
	}
	return all, nil
}

// ReadPublic reads what certificates are verified with: public keys in PEM, or a list of keys as keys.json and the API have it.
func ReadPublic(path string) (*certificate.Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		all, err := parseList(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return all, nil
	}
	all := &certificate.Keys{}
	for first := true; first || len(bytes.TrimSpace(text)) > 0; first = false {
		one := text
		if block, rest := pem.Decode(text); block != nil {
			one, text = pem.EncodeToMemory(block), rest
		}
		k, err := certificate.ParsePublic(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all.All = append(all.All, k)
	}
	return all, nil
}

// change changes keys.json; made is written beside it first, so that a key that is listed has its private part.
func change(dir string, edit func(*certificate.Keys) (made *certificate.Key, err error)) error {
	return access.Edit(what, listFile(dir), func(text []byte) ([]byte, error) {
		all := &certificate.Keys{Distrusted: map[certificate.Hash]bool{}}
		if text != nil {
			var err error
			if all, err = parseList(text); err != nil {
				return nil, fmt.Errorf("%s: %w", listFile(dir), err)
			}
		}
		made, err := edit(all)
		if err != nil {
			return nil, err
		}
		if made != nil {
			if err := writePrivate(dir, made); err != nil {
				return nil, err
			}
			all.All = append(all.All, *made)
		}
		slices.SortStableFunc(all.All, func(a, b certificate.Key) int { return cmp.Compare(a.NotBefore.Unix(), b.NotBefore.Unix()) })
		return writeList(all)
	})
}

// writePrivate writes the private part under another name and then gives it its own: it is there whole or not at all. Whoever changes the
// list after it has the directory on disk.
func writePrivate(dir string, k *certificate.Key) error {
	text, err := k.PrivatePEM()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new-*.pem") // with mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), privateFile(dir, k.ID))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", what, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// newKey makes a key that signs from an instant on, in whole seconds.
func newKey(from time.Time) (*certificate.Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	k, err := certificate.NewKey(public)
	k.Private, k.NotBefore = private, from.UTC().Truncate(time.Second)
	return &k, err
}
