package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configuration are the commands about the configuration of a server; they start none and ask none.
type configuration struct {
	Check checkConfig `cmd:"" help:"Check a configuration file, and the files it names, without starting anything."`
	Print printConfig `cmd:"" help:"Print the configuration that \"rollcall serve\" would run with here, and where each value comes from."`
}

type checkConfig struct {
	File string `arg:"" type:"path" help:"Configuration file in YAML."`
}

// Run reads the file as serve would. A value is judged first alone, so that its fault has a line, and then all together.
func (c *checkConfig) Run(s *session, ctx *kong.Context) error {
	given, err := readConfig(c.File, keys(serveNode(ctx.Model)))
	if err != nil {
		return wrongUse("%w", err)
	}
	all := []string{"serve"}
	for _, key := range slices.Sorted(maps.Keys(given.flags)) {
		arg := "--" + key + "=" + given.flags[key]
		if _, err := s.parseServe("serve", arg); err != nil {
			return wrongUse("configuration %s:%d: %w", c.File, given.lines[key], err)
		}
		all = append(all, arg)
	}
	flags, err := s.parseServe(all...)
	if err != nil {
		return wrongUse("configuration %s: %w", c.File, err)
	}
	flags.Streams, flags.Notify, flags.Retention = given.streams, given.notify, given.retention
	if err := s.env.Check(flags); err != nil {
		return wrongUse("configuration %s: %w", c.File, err)
	}
	if s.asJSON {
		return s.printJSON(map[string]any{"file": c.File, "good": true})
	}
	return s.say("%s is good.", c.File)
}

// serveNode is the command "serve".
func serveNode(model *kong.Application) *kong.Node {
	return model.Children[slices.IndexFunc(model.Children, func(n *kong.Node) bool { return n.Name == "serve" })]
}

// parseServe reads the flags of a server, without a configuration file.
func (s *session) parseServe(args ...string) (Serve, error) {
	var tree commands
	parser, err := newParser(&tree, s.env, func(int) {}, noFile)
	if err != nil {
		return Serve{}, err
	}
	_, err = parser.Parse(args)
	return tree.Serve, err
}

// noFile gives no flag a value.
var noFile = kong.ResolverFunc(func(*kong.Context, *kong.Path, *kong.Flag) (any, error) { return nil, nil })

type printConfig struct {
	Serve `embed:""`
}

// effective is one value of the configuration. A secret has none, only whether it is set.
type effective struct {
	Key    string `json:"key"`
	Value  any    `json:"value,omitempty"`
	Secret bool   `json:"secret,omitempty"`
	From   string `json:"from"`
}

// Run prints a row for each key.
func (*printConfig) Run(s *session, ctx *kong.Context) error {
	if s.file.err != nil {
		return wrongUse("%w", s.file.err)
	}
	var all []effective
	for _, flag := range ctx.Selected().Flags {
		all = append(all, s.effective(ctx, flag))
	}
	for _, name := range slices.Sorted(maps.Keys(s.file.loaded.streams)) {
		all = append(all, effective{Key: "streams." + name, Value: s.file.loaded.streams[name], From: s.file.where("streams")})
	}
	if s.asJSON {
		return s.printJSON(map[string]any{"items": all})
	}
	out := newTable("KEY", "VALUE", "FROM")
	for _, e := range all {
		out.add(e.Key, e.shown(), e.From)
	}
	return out.print(s.env.Stdout)
}

func (s *session) effective(ctx *kong.Context, flag *kong.Flag) effective {
	e := effective{Key: flag.Name, Value: ctx.FlagValue(flag), From: s.file.source(ctx, flag)}
	if flag.Tag.Has("secret") {
		e.Secret, e.Value = e.Value != "", nil
	}
	return e
}

func (e effective) shown() string {
	switch v := e.Value.(type) {
	case nil:
		if e.Secret {
			return "(set, not shown)"
		}
	case string:
		return firstOf(v, "-")
	case []string:
		return firstOf(strings.Join(v, ","), "-")
	case bool:
		return fmt.Sprint(v)
	default:
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	}
	return "-"
}

// source says where the value of a flag comes from.
func (f *fileResolver) source(ctx *kong.Context, flag *kong.Flag) string {
	for _, p := range ctx.Path {
		if p.Flag == flag && !p.Resolved {
			return "flag --" + flag.Name
		}
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return "variable " + name
		}
	}
	if _, given := f.loaded.flags[flag.Name]; given {
		return f.where(flag.Name)
	}
	return "default"
}

// where says on which line of the file a key stands.
func (f *fileResolver) where(key string) string {
	return fmt.Sprintf("file %s:%d", f.path, f.loaded.lines[key])
}
