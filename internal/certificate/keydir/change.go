package keydir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// Create makes the first key of a directory, which it makes too where it is missing. One that has a key that is not retired is refused:
// Rotate makes the next.
func Create(dir string, now time.Time) (certificate.Key, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return certificate.Key{}, fmt.Errorf("make the directory of %s: %w", what, err)
	}
	return add(dir, now, func(all *certificate.Keys) error {
		for i := range all.All {
			if all.All[i].RetiredAt.IsZero() {
				return fmt.Errorf("%s has the key %s already; \"rollcall keys rotate\" makes the one after it", dir, all.All[i].ID)
			}
		}
		return nil
	})
}

// Rotate makes a key that signs from an instant on; the one before it signs until then, and verifies for ever. The instant ought to be so far
// ahead that by then every server and everybody who verifies has the public key.
func Rotate(dir string, from time.Time) (certificate.Key, error) {
	return add(dir, from, func(all *certificate.Keys) error {
		for i := range all.All {
			if one := &all.All[i]; one.RetiredAt.IsZero() && one.NotBefore.After(from) {
				return fmt.Errorf("key %s takes over at %s, later than %s; give a later instant", one.ID, one.NotBefore.Format(time.RFC3339), from.UTC().Format(time.RFC3339))
			}
		}
		if len(all.All) == 0 {
			return errors.New("there is no key to replace; \"rollcall keys create\" makes the first")
		}
		return nil
	})
}

func add(dir string, from time.Time, may func(*certificate.Keys) error) (made certificate.Key, err error) {
	err = change(dir, func(all *certificate.Keys) (*certificate.Key, error) {
		if err := may(all); err != nil {
			return nil, err
		}
		k, err := newKey(from)
		if err == nil {
			made = *k
		}
		return k, err
	})
	return made, err
}

// Retire has a key sign no more. What it signed before counts for ever. The key that signs now is refused: what a server is about to sign
// with it would count for some and not for others. One that is retired already stays as it is.
func Retire(dir string, id certificate.Hash, now time.Time) (retired certificate.Key, err error) {
	err = change(dir, func(all *certificate.Keys) (*certificate.Key, error) {
		one := all.Find(id)
		if one == nil {
			return nil, fmt.Errorf("key %s is not in %s", id, dir)
		}
		if n := all.Newest(now); n != nil && n.ID == id {
			return nil, fmt.Errorf("key %s signs now; \"rollcall keys rotate\" makes the one that takes over, and then it can be retired", id)
		}
		if one.RetiredAt.IsZero() {
			one.RetiredAt = now.UTC().Truncate(time.Second)
		}
		retired = *one
		return nil, nil
	})
	return retired, err
}

// Distrust says of a key that is not known here that it is none of ours, so that what it signed is passed over and no longer waited for.
func Distrust(dir string, id certificate.Hash) error {
	return change(dir, func(all *certificate.Keys) (*certificate.Key, error) {
		if all.Find(id) != nil {
			return nil, fmt.Errorf("key %s is one of %s, and what it signed counts; \"rollcall keys retire\" ends its use", id, dir)
		}
		all.Distrusted[id] = true
		return nil, nil
	})
}

// Ensure makes the first key where the directory has no list of keys.
func Ensure(dir string, now time.Time) error {
	_, err := os.Stat(listFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = Create(dir, now)
	}
	return err
}
