package cli

import (
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
	streams map[string]api.Settings
}

// readConfig reads a configuration file strictly. Keys must be among known, or streams; a fault is told with
// the file's name and the line.
func readConfig(path string, known []string) (config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("read the configuration: %w", err)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return config{}, fmt.Errorf("configuration %s: %s", path, yaml.FormatError(err, false, true))
	}
	c := config{flags: map[string]string{}}
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
		if err := c.readEntry(entry, known); err != nil {
			return fmt.Errorf("configuration %s:%d: %w", path, line(entry.Key), err)
		}
	}
	return nil
}

func line(node ast.Node) int { return node.GetToken().Position.Line }

func (c *config) readEntry(entry *ast.MappingValueNode, known []string) error {
	key := entry.Key.GetToken().Value
	if key == "streams" {
		return c.readStreams(entry.Value)
	}
	if !slices.Contains(known, key) {
		return fmt.Errorf("unknown key %q; known are %s and streams", key, strings.Join(known, ", "))
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
		return fmt.Errorf("streams: %s", yaml.FormatError(err, false, true))
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
	loaded config
	err    error
}

// Validate implements kong.Resolver.
func (*fileResolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. The environment wins over the file.
func (f *fileResolver) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if parent.Command == nil || parent.Command.Name != "serve" || flag.Name == "config" {
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

// load reads the file once. Its fault is kept for the command to tell: told here, it would be said of one flag.
func (f *fileResolver) load(ctx *kong.Context, parent *kong.Path) {
	if f.read {
		return
	}
	f.read = true
	var known []string
	path := ""
	for _, flag := range parent.Command.Flags {
		if flag.Name == "config" {
			path, _ = ctx.FlagValue(flag).(string)
		} else {
			known = append(known, flag.Name)
		}
	}
	if path != "" {
		f.loaded, f.err = readConfig(path, known)
	}
}
