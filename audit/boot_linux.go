package audit

import (
	"os"
	"strings"
	"sync"
)

// bootID tells one boot of the host from another; empty where the system does not say.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // as where there is none
	}
	return strings.TrimSpace(string(id))
})
