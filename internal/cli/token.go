package cli

import (
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/internal/access"
)

// tokens are the commands that work on a file of tokens; a server that uses it follows within a second.
type tokens struct {
	File   string      `name:"tokens" required:"" env:"ROLLCALL_TOKENS" type:"path" help:"File of tokens, the one the server is given." placeholder:"FILE"`
	Create createToken `cmd:"" help:"Make a token and print it, this once."`
	List   listTokens  `cmd:"" help:"List the tokens, without what makes them good."`
	Revoke revokeToken `cmd:"" help:"Revoke a token, at once."`
}

// lifetime is how long a token is good; "never" is no time at all.
type lifetime struct{ time.Duration }

// UnmarshalText reads a duration in hours, or never.
func (l *lifetime) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		l.Duration = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < time.Second {
		return fmt.Errorf("%q is not how long a token is good: at least a second, as 720h, or never", text)
	}
	l.Duration = d
	return nil
}

type createToken struct {
	Name    string   `arg:"" help:"Who acts with it: a person or a hop."`
	Role    string   `required:"" enum:"ingest,viewer,operator,admin" help:"What it may do: ${enum}." placeholder:"ROLE"`
	Expires lifetime `default:"2160h" help:"How long it is good, as 720h, or never." placeholder:"DURATION"`
}

// toldToken is a token as programs read it. Token itself is there only when it was just made.
type toldToken struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	ID      string     `json:"id"`
	State   string     `json:"state"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
	Token   string     `json:"token,omitempty"`
}

func told(t access.Token, now time.Time) toldToken {
	return toldToken{
		Name: t.Name, Role: string(t.Role), ID: t.ID, State: t.State(now), Created: t.Created, Expires: known(t.Expires), Revoked: known(t.Revoked),
	}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Run makes a token. Only the token goes to standard output, so that it can be piped; the words go to standard error.
func (c *createToken) Run(s *session, in *tokens) error {
	now, expires := time.Now(), time.Time{}
	if c.Expires.Duration > 0 {
		expires = now.Add(c.Expires.Duration)
	}
	t, text, err := access.NewToken(c.Name, access.Role(c.Role), expires, now)
	if err != nil {
		return wrongUse("%w", err)
	}
	if err := access.Change(in.File, func(f *access.File) (bool, error) { return true, f.Add(t) }); err != nil {
		return wrongUse("token %s was not made: %w", c.Name, err)
	}
	out := told(t, now)
	out.Token = text
	if s.asJSON {
		return s.printJSON(out)
	}
	_, _ = fmt.Fprintf(s.env.Stderr, "Token %s, role %s, %s. It is shown this once:\n", t.Name, t.Role, goodFor(out))
	return s.say("%s", text)
}

func goodFor(t toldToken) string {
	if t.Expires == nil {
		return "never expires"
	}
	return "expires " + instant(*t.Expires)
}

type listTokens struct{}

// Run lists the tokens.
func (listTokens) Run(s *session, in *tokens) error {
	f, err := access.ReadFile(in.File)
	if err != nil {
		return wrongUse("%w", err)
	}
	rows, now := []toldToken{}, time.Now()
	for _, t := range f.Tokens() {
		rows = append(rows, told(t, now))
	}
	if s.asJSON {
		return s.printJSON(map[string][]toldToken{"items": rows})
	}
	if len(rows) == 0 {
		return s.say("No token yet: \"rollcall token create\" makes one.")
	}
	t := newTable("NAME", "ROLE", "STATE", "ID", "CREATED", "EXPIRES", "REVOKED")
	for _, r := range rows {
		expires := "never"
		if r.Expires != nil {
			expires = instant(*r.Expires)
		}
		t.add(r.Name, r.Role, r.State, r.ID, instant(r.Created), expires, maybeInstant(r.Revoked))
	}
	return t.print(s.env.Stdout)
}

type revokeToken struct {
	Name string `arg:"" help:"The token's name."`
}

// Run revokes a token; one that is revoked already is good too.
func (c *revokeToken) Run(s *session, in *tokens) error {
	var t access.Token
	now, changed := time.Now(), false
	err := access.Change(in.File, func(f *access.File) (_ bool, err error) {
		t, changed, err = f.Revoke(c.Name, now)
		return changed, err
	})
	switch {
	case err != nil:
		return wrongUse("token %s was not revoked: %w", c.Name, err)
	case s.asJSON:
		return s.printJSON(told(t, now))
	case !changed:
		return s.say("Token %s was revoked already, at %s.", t.Name, instant(t.Revoked))
	}
	return s.say("Revoked token %s, role %s: servers that use the file refuse it within a second.", t.Name, t.Role)
}
