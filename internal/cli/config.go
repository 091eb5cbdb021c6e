package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// config is what a configuration file says: flags of serve by name, and stream settings.
type config struct {
	flags   map[string]string
	lines   map[string]int // where each key stands, from 1
	streams map[string]api.Settings
	notify  Notify

	retention Retention
}

// readConfig reads a configuration file strictly. Keys must be among known, or streams, notify or retention; a fault is told with
// the file's name and the line.
func readConfig(path string, known []string) (config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("read the configuration: %w", err)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return config{}, fmt.Errorf("configuration %s%w", path, placed(err))
	}
	c := config{flags: map[string]string{}, lines: map[string]int{}}
	for _, doc := range file.Docs {
		if err := c.readDocument(path, doc.Body, known); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

func (c *config) readDocument(path string, body ast.Node, known []string) error {
	var entries []*ast.MappingValueNode
	switch node := body.(type) {
	case nil, *ast.CommentGroupNode, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		entries = node.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{node}
	default:
		return fmt.Errorf("configuration %s:%d: it must be a list of \"key: value\"", path, line(body))
	}
	for _, entry := range entries {
		err := c.readEntry(entry, known)
		var at *atLine
		switch {
		case errors.As(err, &at):
			return fmt.Errorf("configuration %s%w", path, at)
		case err != nil:
			return fmt.Errorf("configuration %s:%d: %w", path, line(entry.Key), err)
		}
	}
	return nil
}

func line(node ast.Node) int { return node.GetToken().Position.Line }

func (c *config) readEntry(entry *ast.MappingValueNode, known []string) error {
	key := entry.Key.GetToken().Value
	c.lines[key] = line(entry.Key)
	if key == "streams" {
		return c.readStreams(entry.Value)
	}
	if key == "notify" {
		return c.readNotify(entry.Value)
	}
	if key == "retention" {
		return c.readRetention(entry.Value)
	}
	if !slices.Contains(known, key) {
		return fmt.Errorf("unknown key %q; %s", key, suggestion(key, append(slices.Clone(known), "notify", "retention", "streams")))
	}
	value, err := scalar(entry.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	c.flags[key] = value
	return nil
}

func (c *config) readStreams(node ast.Node) error {
	if err := yaml.NodeToValue(node, &c.streams, yaml.Strict()); err != nil {
		return placed(err)
	}
	return nil
}

func (c *config) readNotify(node ast.Node) error {
	if err := yaml.NodeToValue(node, &c.notify, yaml.Strict()); err != nil {
		return fmt.Errorf("notify: %s", yaml.FormatError(err, false, true))
	}
	return nil
}

func (c *config) readRetention(node ast.Node) error {
	if err := yaml.NodeToValue(node, &c.retention, yaml.Strict()); err != nil {
		return fmt.Errorf("retention: %s", yaml.FormatError(err, false, true))
	}
	return nil
}

// scalar returns a value as it would stand on the command line; a list has commas between.
func scalar(node ast.Node) (string, error) {
	switch node := node.(type) {
	case *ast.SequenceNode:
		parts := make([]string, len(node.Values))
		for i, v := range node.Values {
			part, err := scalar(v)
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		return strings.Join(parts, ","), nil
	case *ast.MappingNode, *ast.MappingValueNode:
		return "", fmt.Errorf("it needs a value, not keys of its own")
	case *ast.NullNode:
		return "", fmt.Errorf("it has no value")
	}
	return node.GetToken().Value, nil
}

// fileResolver gives serve the flags of its configuration file.
type fileResolver struct {
	read   bool
	path   string // empty: there is no file
	loaded config
	err    error
}

// Validate implements kong.Resolver.
func (*fileResolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. The environment wins over the file.
func (f *fileResolver) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if !configurable(parent) || flag.Name == "config" {
		return nil, nil
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	f.load(ctx, parent)
	if value, ok := f.loaded.flags[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}

// configurable says whether a command takes the flags of a server: serve, and config print.
func configurable(parent *kong.Path) bool {
	return parent.Command != nil && slices.ContainsFunc(parent.Command.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
}

// load reads the file once. Its fault is kept for the command to tell: told here, it would be said of one flag.
func (f *fileResolver) load(ctx *kong.Context, parent *kong.Path) {
	if f.read {
		return
	}
	f.read = true
	for _, flag := range parent.Command.Flags {
		if flag.Name == "config" {
			f.path, _ = ctx.FlagValue(flag).(string)
		}
	}
	if f.path != "" {
		f.loaded, f.err = readConfig(f.path, keys(parent.Command))
	}
}

// keys are those of a configuration file that are flags of a command.
func keys(command *kong.Node) []string {
	var known []string
	for _, flag := range command.Flags {
		if flag.Name != "config" {
			known = append(known, flag.Name)
		}
	}
	return known
}
