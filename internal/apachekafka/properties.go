package apachekafka

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const loopback = "127.0.0.1"

// ports are those of the three listeners. Clients use the first. The broker speaks to itself through the second
// and with its controller through the third, neither of which asks for a password.
type ports [3]int

func (p ports) client() string     { return address(p[0]) }
func (p ports) internal() string   { return address(p[1]) }
func (p ports) controller() string { return address(p[2]) }

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// choosePorts takes ports that were free a moment ago and configures the broker with them. Another process may take
// one before the broker does, which lostPort tells.
func (b *Broker) choosePorts() error {
	for i := range b.ports {
		l, err := net.Listen("tcp", address(0))
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // not before all are found, or the same one is found twice
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			b.ports[i] = at.Port
		}
	}
	return b.writeProperties()
}

// lostPort says whether the broker found one of its ports taken.
func (b *Broker) lostPort() bool {
	return strings.Contains(tail(b.LogPath()), "Address already in use")
}

func (b *Broker) propertiesPath() string { return filepath.Join(b.config.Dir, "server.properties") }

func (b *Broker) dataPath() string { return filepath.Join(b.config.Dir, "data") }

func (b *Broker) writeProperties() error {
	all := b.properties()
	maps.Copy(all, b.config.Properties)
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", key, all[key])
	}
	return os.WriteFile(b.propertiesPath(), text.Bytes(), 0o600)
}

// properties are those of one node that is broker and controller, small and quick to start: what Kafka keeps three
// times is kept once, its own topics have few partitions, and a group does not wait for members that may come.
func (b *Broker) properties() map[string]string {
	security := "PLAINTEXT"
	if len(b.config.Users) > 0 {
		security = "SASL_PLAINTEXT"
	}
	all := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + b.ports.controller(),
		"listeners":                                        "CLIENT://" + b.ports.client() + ",INTERNAL://" + b.ports.internal() + ",CONTROLLER://" + b.ports.controller(),
		"advertised.listeners":                             "CLIENT://" + b.ports.client() + ",INTERNAL://" + b.ports.internal(),
		"listener.security.protocol.map":                   "CLIENT:" + security + ",INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names":                        "CONTROLLER",
		"inter.broker.listener.name":                       "INTERNAL",
		"log.dirs":                                         b.dataPath(),
		"auto.create.topics.enable":                        "false",
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "3",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "3",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"share.coordinator.state.topic.num.partitions":     "3",
		"group.initial.rebalance.delay.ms":                 "0",
		"group.min.session.timeout.ms":                     "1000",
		"broker.session.timeout.ms":                        "3000", // a killed broker is let in again only after it
		"broker.heartbeat.interval.ms":                     "500",
		"log.cleaner.dedupe.buffer.size":                   "8388608", // it is taken at the start, of a small heap
	}
	if len(b.config.Users) > 0 {
		maps.Copy(all, saslProperties(b.config.Users))
	}
	return all
}

func saslProperties(users map[string]string) map[string]string {
	plain := "org.apache.kafka.common.security.plain.PlainLoginModule required"
	for _, name := range slices.Sorted(maps.Keys(users)) {
		plain += fmt.Sprintf(" user_%s=%q", name, users[name])
	}
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	return map[string]string{
		"listener.name.client.sasl.enabled.mechanisms":        "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.client.plain.sasl.jaas.config":         plain + ";",
		"listener.name.client.scram-sha-256.sasl.jaas.config": scram,
		"listener.name.client.scram-sha-512.sasl.jaas.config": scram,
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// checkUsers refuses what would need quoting in the broker's configuration.
func checkUsers(users map[string]string) error {
	for name, password := range users {
		if !plainWord.MatchString(name) || !plainWord.MatchString(password) {
			return fmt.Errorf("user %q: name and password must be of letters, digits, \".\", \"_\" and \"-\"", name)
		}
	}
	return nil
}

// format gives a new directory its identity and its users; one that has them is left alone.
func (b *Broker) format(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.dataPath(), "meta.properties")); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	args := []string{"format", "--cluster-id", clusterID(), "--config", b.propertiesPath()}
	for _, name := range slices.Sorted(maps.Keys(b.config.Users)) {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, name, b.config.Users[name]))
		}
	}
	said, err := b.javaCommand(ctx, "kafka.tools.StorageTool", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// clusterID is a random UUID as Kafka writes them. It must not begin with "-", which would make it a flag.
func clusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	id[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(id[:])
}
