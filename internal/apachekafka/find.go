package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Version is the version of Apache Kafka that is run: that of scripts/kafka/pom.xml.
const Version = "4.4.0"

// oldestJava is what the jars were compiled for.
const oldestJava = 17

// ErrMissing is returned where Apache Kafka cannot be run for want of Java or of the jars.
var ErrMissing = errors.New("a real Apache Kafka cannot be run here")

// findJars returns the directory of the jars, which scripts/fetch-kafka.sh fills.
func findJars() (string, error) {
	cache := os.Getenv("ROLLCALL_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrMissing, err)
		}
		cache = filepath.Join(user, "rollcall")
	}
	dir := filepath.Join(cache, "apache-kafka-"+Version)
	if _, err := os.Stat(filepath.Join(dir, "kafka_2.13-"+Version+".jar")); err != nil {
		return "", fmt.Errorf("%w: run `make kafka`, which fetches the jars: %w", ErrMissing, err)
	}
	return dir, nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJava returns the path of a Java that can run the jars: that of JAVA_HOME, else that of the path.
func findJava(ctx context.Context) (string, error) {
	program := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		program = filepath.Join(home, "bin", "java")
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%w: install Java %d or newer: %w", ErrMissing, oldestJava, err)
	}
	said, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: ask %s for its version: %w: %s", ErrMissing, path, err, said)
	}
	found := javaVersion.FindSubmatch(said)
	if found == nil {
		return "", fmt.Errorf("%w: %s does not tell its version: %s", ErrMissing, path, said)
	}
	if major, _ := strconv.Atoi(string(found[1])); major < oldestJava { // it is digits
		return "", fmt.Errorf("%w: %s is version %d; Apache Kafka needs %d or newer", ErrMissing, path, major, oldestJava)
	}
	return path, nil
}
