package errnos

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestErrorNumbersHaveTheirNames(t *testing.T) {
	wrapped := fmt.Errorf("open: %w", &os.PathError{Op: "open", Path: "/x", Err: syscall.EROFS})
	for want, err := range map[string]error{
		"ENOSYS":       syscall.ENOSYS,
		"EROFS":        wrapped,
		"EAGAIN":       syscall.EWOULDBLOCK,
		"EOPNOTSUPP":   syscall.ENOTSUP,
		"EAFNOSUPPORT": syscall.Errno(97),
		"errno 600":    syscall.Errno(600),
		"":             errors.New("no number"),
	} {
		if got := Of(err); got != want {
			t.Errorf("%v is %q, not %q", err, got, want)
		}
	}
	if got := Of(nil); got != "" {
		t.Errorf("no error is %q", got)
	}
}
