package conn

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"
)

// Change sends a PATCH with If-Match. If the ETag is refused, the fresh ETag is tried, then its strong form, then none.
// The caller closes the body of the answer.
func (call Call) Change(path, etag string, body any) (*http.Response, error) {
	response, err := call.changeOnce(path, etag, body)
	if !isOutdated(err) {
		return response, err
	}
	fresh, reading := Get[schemas.Entity](call, path)
	if reading != nil {
		return nil, reading
	}
	tries := []string{fresh.ETag, strings.TrimPrefix(fresh.ETag, "W/"), ""}
	for _, tag := range slices.Compact(tries) {
		if response, err = call.changeOnce(path, tag, body); !isOutdated(err) {
			return response, err
		}
	}
	return nil, err
}

func isOutdated(err error) bool {
	said := AsError(err)
	return said != nil &&
		(said.Status == http.StatusPreconditionFailed || said.Status == http.StatusPreconditionRequired)
}

func (call Call) changeOnce(path, etag string, body any) (*http.Response, error) {
	response, err := call.PatchWithHeaders(path, body, map[string]string{"If-Match": etag})
	if err != nil && AsError(err) == nil {
		return nil, call.ProtocolError(errors.New("the change cannot be sent"))
	}
	return response, err
}
