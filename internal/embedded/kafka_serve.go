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
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cluster, err := kfake.NewCluster(s.options(log)...)
	if err != nil {
		return fmt.Errorf("open the broker's data in %s: %w", s.Dir, err)
	}
	defer cluster.Close()
	addr := cluster.ListenAddrs()[0]
	if err := s.keepPort(addr); err != nil {
		return err
	}
	cluster.ApplyRetention()
	ready(status{Addr: addr})
	retain(ctx, cluster)
	return nil
}

func (s kafkaSettings) options(log *slog.Logger) []kfake.Opt {
	options := []kfake.Opt{
		kfake.Ports(savedPort(s.Dir)),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			l, err := listenLoopback(savedPort(s.Dir))
			if err != nil {
				return nil, err
			}
			return guardListener(l, log), nil
		}),
		kfake.ClusterID("rollcall"),
		kfake.DataDir(filepath.Join(s.Dir, "data")),
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
