package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	retentionPass = 5 * time.Second
	minSession    = time.Second
)

// kafkaSettings is what the parent tells the child.
type kafkaSettings struct {
	Dir       string `json:"dir"`
	Retention int64  `json:"retention"`
	Unsynced  bool   `json:"unsynced,omitempty"`
}

// serveKafka is the child: it returns when ctx is done and the broker has written what it held.
func serveKafka(ctx context.Context, s kafkaSettings, ready func(status)) error {
	lock, err := lockDir(s.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	killed, ended, err := unclean(s.Dir)
	if err != nil {
		return err
	}
	var open []openTransaction
	if killed {
		if open, err = openTransactions(s.data()); err != nil {
			return err
		}
	}
	var door *door
	cluster, err := kfake.NewCluster(s.options(&door)...)
	if err != nil {
		return fmt.Errorf("open the broker's data in %s: %w", s.Dir, err)
	}
	if err := s.serve(ctx, cluster, door, open, ready); err != nil {
		cluster.Close()
		return err // and the next start finds what this one did not end
	}
	cluster.Close()
	return ended()
}

// serve lets clients in once the partitions are whole, until ctx is done.
func (s kafkaSettings) serve(ctx context.Context, cluster *kfake.Cluster, door *door, open []openTransaction, ready func(status)) error {
	if err := abort(ctx, door, open); err != nil {
		return err
	}
	door.open()
	addr := cluster.ListenAddrs()[0]
	if err := s.keepPort(addr); err != nil {
		return err
	}
	cluster.ApplyRetention()
	ready(status{Addr: addr})
	retain(ctx, cluster)
	return nil
}

func (s kafkaSettings) data() string { return filepath.Join(s.Dir, "data") }

// options are those of the broker; its door is made when it listens.
func (s kafkaSettings) options(door **door) []kfake.Opt {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	options := []kfake.Opt{
		kfake.Ports(savedPort(s.Dir)),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			l, err := listenLoopback(savedPort(s.Dir))
			if err != nil {
				return nil, err
			}
			*door = newDoor(guardListener(l, log))
			return *door, nil
		}),
		kfake.ClusterID("rollcall"),
		kfake.DataDir(s.data()),
		kfake.GroupMinSessionTimeout(minSession),
		kfake.WithLogger(kfake.BasicLogger(os.Stderr, kfake.LogLevelWarn)),
		kfake.BrokerConfigs(map[string]string{
			// A partition that expired to nothing starts at 0 again and its readers skip: never by age.
			"log.retention.ms":          "-1",
			"log.retention.bytes":       strconv.FormatInt(s.Retention, 10),
			"log.segment.bytes":         "16777216",
			"log.cleaner.backoff.ms":    strconv.FormatInt(retentionPass.Milliseconds(), 10),
			"offsets.retention.minutes": "5256000", // ten years: a group that slept must not read all again
		}),
	}
	if !s.Unsynced {
		options = append(options, kfake.SyncWrites())
	}
	return options
}

func (s kafkaSettings) keepPort(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	return savePort(s.Dir, number)
}

// retain bounds the partitions until ctx is done. The broker does so by itself only for topics with a retention
// of their own.
func retain(ctx context.Context, cluster *kfake.Cluster) {
	tick := time.NewTicker(retentionPass)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			cluster.ApplyRetention()
		}
	}
}
