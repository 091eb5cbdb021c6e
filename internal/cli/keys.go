package cli

import (
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/certificate/keydir"
)

// keyring are the commands that work on a directory of keys; servers that use it follow within a second.
type keyring struct {
	Dir      string      `name:"keys" required:"" env:"ROLLCALL_KEYS" type:"path" help:"Directory of the keys, the one the servers are given." placeholder:"DIR"`
	Create   createKey   `cmd:"" help:"Make the first key, and the directory."`
	List     listKeys    `cmd:"" help:"List the keys, without their private parts."`
	Public   publicKeys  `cmd:"" help:"Print the public keys, for those who verify."`
	Rotate   rotateKey   `cmd:"" help:"Make the next key, which takes over later."`
	Retire   retireKey   `cmd:"" help:"Have a key sign no more; what it signed counts."`
	Distrust distrustKey `cmd:"" help:"Say of a key that servers wait for that it is none of yours."`
}

// keyID is the id of a key on the command line.
type keyID struct{ certificate.Hash }

func keyRow(k *certificate.Key, newest *certificate.Key) api.Key {
	return api.Key{
		ID: k.ID.String(), Algorithm: certificate.Algorithm, Public: k.PublicPEM(), NotBefore: known(k.NotBefore), RetiredAt: known(k.RetiredAt),
		Signing: newest != nil && newest.ID == k.ID,
	}
}

// tellKey prints a key that was changed.
func (s *session) tellKey(dir string, k certificate.Key, format string, args ...any) error {
	if !s.asJSON {
		return s.say(format, args...)
	}
	all, err := keydir.Read(dir)
	if err != nil {
		return wrongUse("%w", err)
	}
	return s.printJSON(keyRow(&k, all.Newest(time.Now())))
}

type createKey struct{}

// Run makes the first key.
func (createKey) Run(s *session, in *keyring) error {
	k, err := keydir.Create(in.Dir, time.Now())
	if err != nil {
		return wrongUse("no key was made: %w", err)
	}
	return s.tellKey(in.Dir, k, "Made key %s in %s: it signs from now on.\nGive those who verify its public part: \"rollcall keys public\" prints it.", k.ID, in.Dir)
}

type listKeys struct{}

// Run lists the keys.
func (listKeys) Run(s *session, in *keyring) error {
	all, err := keydir.Read(in.Dir)
	if err != nil {
		return wrongUse("%w", err)
	}
	now := time.Now()
	newest, rows := all.Newest(now), []api.Key{}
	t := newTable("KEY", "STATE", "SIGNS FROM", "RETIRED", "PRIVATE PART")
	for i := range all.All {
		k := &all.All[i]
		row := keyRow(k, newest)
		rows = append(rows, row)
		private := "here"
		if k.Private == nil {
			private = "not here"
		}
		t.add(k.ID, keyState(k, row.Signing, now), maybeInstant(row.NotBefore), maybeInstant(row.RetiredAt), private)
	}
	if s.asJSON {
		return s.printJSON(api.Page[api.Key]{Items: rows})
	}
	if len(rows) == 0 {
		return s.say("No key yet: \"rollcall keys create\" makes one.")
	}
	return t.print(s.env.Stdout)
}

func keyState(k *certificate.Key, signing bool, now time.Time) string {
	switch {
	case signing:
		return "signs"
	case !k.RetiredAt.IsZero():
		return "retired"
	case k.NotBefore.After(now):
		return "next"
	}
	return "verifies"
}

type publicKeys struct{}

// Run prints the public keys: for programs as the API does, with their times, and else the PEM of those that are not retired.
func (publicKeys) Run(s *session, in *keyring) error {
	all, err := keydir.Read(in.Dir)
	if err != nil {
		return wrongUse("%w", err)
	}
	rows, newest := []api.Key{}, all.Newest(time.Now())
	for i := range all.All {
		rows = append(rows, keyRow(&all.All[i], newest))
	}
	if s.asJSON {
		return s.printJSON(api.Page[api.Key]{Items: rows})
	}
	for i, row := range rows {
		if all.All[i].RetiredAt.IsZero() {
			if _, err := fmt.Fprint(s.env.Stdout, row.Public); err != nil {
				return fmt.Errorf("print the answer: %w", err)
			}
		}
	}
	return nil
}

type rotateKey struct {
	After time.Duration `default:"10m" help:"When it takes over, as 10m: by then all servers and all who verify must have it."`
}

// Run makes the next key.
func (c *rotateKey) Run(s *session, in *keyring) error {
	if c.After < 0 {
		return wrongUse("--after %s: a key cannot take over in the past", c.After)
	}
	k, err := keydir.Rotate(in.Dir, time.Now().Add(c.After))
	if err != nil {
		return wrongUse("no key was made: %w", err)
	}
	return s.tellKey(in.Dir, k, "Made key %s: it takes over at %s. The one before it signs until then, and verifies after.", k.ID, instant(k.NotBefore))
}

type retireKey struct {
	ID keyID `arg:"" help:"The key, as \"rollcall keys list\" shows it." placeholder:"KEY"`
}

// Run retires a key; one that is retired already is good too.
func (c *retireKey) Run(s *session, in *keyring) error {
	k, err := keydir.Retire(in.Dir, c.ID.Hash, time.Now())
	if err != nil {
		return wrongUse("key %s was not retired: %w", c.ID, err)
	}
	return s.tellKey(in.Dir, k, "Key %s is retired since %s. What it signed until then counts.", k.ID, instant(k.RetiredAt))
}

type distrustKey struct {
	ID keyID `arg:"" help:"The key, as the log of the server says it." placeholder:"KEY"`
}

// Run distrusts a key.
func (c *distrustKey) Run(s *session, in *keyring) error {
	if err := keydir.Distrust(in.Dir, c.ID.Hash); err != nil {
		return wrongUse("key %s is not distrusted: %w", c.ID, err)
	}
	if s.asJSON {
		return s.printJSON(map[string]string{"distrusted": c.ID.String()})
	}
	return s.say("What key %s signed is passed over from now on.", c.ID)
}
